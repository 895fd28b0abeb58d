/**
 * Fills in what a spec leaves to the dataset: the feature columns, the loss, the metrics, and what the target is.
 * The one place where those defaults are decided; check, plan and prepare all start from its result.
 */
import { listWords, pointerTo, quote, type SpecIssue, suggestion } from './issues.ts';
import type { TargetType } from './kinds/kind.ts';
import { losses } from './kinds/losses/registry.ts';
import { metrics } from './kinds/metrics/registry.ts';
import type { EngineSpec } from './spec.ts';
import type { ColumnSummary } from './table.ts';

export type ResolvedSpec = EngineSpec & {
  readonly loss: NonNullable<EngineSpec['loss']>;
  readonly metrics: NonNullable<EngineSpec['metrics']>;
};

/** What is to be learned, in terms of the dataset's columns. */
export interface Task {
  readonly features: readonly ColumnSummary[];
  readonly target: string;
  readonly targetType: TargetType;
  /** Labels in the order of their codes; empty for a numeric target. */
  readonly classes: readonly string[];
  /** Columns of the target matrix, hence outputs of the network. */
  readonly outputs: number;
  /** Why the network must have that many. */
  readonly outputsWhy: string;
}

export interface Resolved {
  readonly spec: ResolvedSpec;
  readonly task: Task;
}

/** The resolved spec and its task, or what keeps the dataset from serving it. */
export function resolveTask(
  spec: EngineSpec,
  columns: readonly ColumnSummary[],
): Resolved | { readonly issues: readonly SpecIssue[] } {
  const byName = new Map(columns.map((column) => [column.name, column]));
  const issues: SpecIssue[] = [];
  const features = featuresOf(spec, byName, issues);
  const column = byName.get(spec.data.target);
  if (column === undefined) {
    issues.push(unknownColumn(pointerTo(['data', 'target']), spec.data.target, byName));
    return { issues };
  }
  const loss = spec.loss ?? losses.schema.parse({ kind: DEFAULT_LOSS[column.type] });
  const target = targetOf(column, loss.kind);
  if ('issue' in target) return { issues: [...issues, target.issue] };
  if (issues.length > 0) return { issues };
  const { type: targetType, classes } = target;
  const { units, why } = losses.get(loss.kind).outputs({ type: targetType, classes: classes.length });
  const task: Task = { features, target: column.name, targetType, classes, outputs: units, outputsWhy: why };
  const data = { ...spec.data, features: features.map(({ name }) => name) };
  return { spec: { ...spec, data, loss, metrics: spec.metrics ?? defaultMetrics(targetType) }, task };
}

const DEFAULT_LOSS = { categorical: 'crossEntropy', numeric: 'meanSquaredError' } as const;

/** The registry's first metric that suits the target. */
const defaultMetrics = (type: TargetType): string[] =>
  metrics.kinds
    .filter(({ targets }) => targets.includes(type))
    .slice(0, 1)
    .map(({ kind }) => kind);

type Columns = ReadonlyMap<string, ColumnSummary>;

const unknownColumn = (pointer: string, name: string, columns: Columns): SpecIssue => ({
  pointer,
  detail:
    `the dataset has no column ${quote(name)}${suggestion(name, [...columns.keys()])}; ` +
    `its columns are ${listWords([...columns.keys()])}`,
});

function featuresOf(spec: EngineSpec, columns: Columns, issues: SpecIssue[]): ColumnSummary[] {
  const { target, features: named } = spec.data;
  if (named === undefined) {
    const rest = [...columns.values()].filter(({ name }) => name !== target);
    if (rest.length === 0) {
      const detail = `the dataset has no column besides the target ${quote(target)} to predict it from`;
      issues.push({ pointer: '#/data/target', detail });
    }
    return rest;
  }
  const seen = new Set<string>();
  const found: ColumnSummary[] = [];
  for (const [i, name] of named.entries()) {
    const pointer = pointerTo(['data', 'features', i]);
    const column = columns.get(name);
    if (column === undefined) issues.push(unknownColumn(pointer, name, columns));
    else if (name === target)
      issues.push({ pointer, detail: `${quote(name)} is the target; remove it here` });
    else if (seen.has(name)) issues.push({ pointer, detail: `${quote(name)} is listed twice; remove one` });
    else found.push(column);
    seen.add(name);
  }
  return found;
}

/** The loss decides: whole numbers are classes under a loss that wants classes. */
function targetOf(
  column: ColumnSummary,
  loss: string,
): { type: TargetType; classes: readonly string[] } | { issue: SpecIssue } {
  const { targets } = losses.get(loss);
  const named = `target ${quote(column.name)}`;
  if (column.type === 'numeric' && targets.includes('numeric')) return { type: 'numeric', classes: [] };
  if (!targets.includes('categorical')) {
    const others = losses.kinds
      .filter((kind) => kind.targets.includes('categorical'))
      .map(({ kind }) => kind);
    const detail = `${loss} predicts numbers, but the ${named} is categorical; use ${others.join(' or ')}`;
    return { issue: { pointer: '#/loss/kind', detail } };
  }
  const classes =
    column.type === 'categorical'
      ? column.categories.filter(({ count }) => count > 0).map(({ value }) => value)
      : column.classes;
  if (classes === null) {
    const others = losses.kinds.filter((kind) => kind.targets.includes('numeric')).map(({ kind }) => kind);
    const why = column.type === 'numeric' && column.integer ? 'too many different values' : 'fractions';
    const detail = `${loss} predicts classes, but the ${named} is numeric with ${why}; use ${others.join(' or ')}`;
    return { issue: { pointer: '#/loss/kind', detail } };
  }
  if (classes.length < 2) {
    const only = classes.length === 1 ? `only the value ${quote(classes[0])}` : 'no values';
    const detail = `the ${named} has ${only}; a classifier needs at least two classes`;
    return { issue: { pointer: '#/data/target', detail } };
  }
  return { type: 'categorical', classes };
}
