/**
 * From a table to what training runs on: the split into parts, the preprocessing fitted on the training rows only,
 * and the encoded features and targets of all rows.
 */
import type { Part } from './kinds/kind.ts';
import { numericPreprocessors } from './kinds/numeric-preprocessors/registry.ts';
import { splits } from './kinds/splits/registry.ts';
import { encodeValue, type FeatureEncoding, type Preprocessing, widthOf } from './preprocessing.ts';
import { stream } from './random.ts';
import type { Resolved, ResolvedSpec, Task } from './resolve.ts';
import type { Column, Table } from './table.ts';

export interface PreparedData {
  readonly rows: number;
  /** rows × featureCount. */
  readonly features: Float32Array;
  /** rows × targetCount: the value; 0 or 1 for two classes on one output; otherwise one-hot. */
  readonly targets: Float32Array;
  readonly featureCount: number;
  readonly targetCount: number;
  readonly parts: Readonly<Record<Part, Int32Array>>;
  readonly preprocessing: Preprocessing;
}

/** `resolved` comes from this table's columns (resolveTask). */
export function prepareData({ spec, task }: Resolved, table: Table): PreparedData {
  const columns = new Map(table.columns.map((column) => [column.name, column]));
  const target = columnOf(columns, task.target);
  const codes = task.targetType === 'categorical' ? classCodes(target, task.classes) : null;
  const parts = splits
    .get(spec.data.split.kind)
    .assign({ rows: table.rowCount, strata: codes, random: stream(spec.seed, 'split') }, spec.data.split);

  const inputs = task.features.map(({ name }) => columnOf(columns, name));
  const encodings = inputs.map((column) => fitColumn(column, spec, parts.training));
  const featureCount = encodings.reduce((sum, encoding) => sum + widthOf(encoding), 0);
  return {
    rows: table.rowCount,
    features: encodeColumns(inputs, encodings, table.rowCount, featureCount),
    targets: codes === null ? Float32Array.from(valuesOf(target)) : encodeClasses(codes, task.outputs),
    featureCount,
    targetCount: task.outputs,
    parts,
    preprocessing: preprocessingOf(encodings, featureCount, task),
  };
}

function columnOf(columns: ReadonlyMap<string, Column>, name: string): Column {
  const column = columns.get(name);
  if (column === undefined) throw new Error(`the table has no column ${name}`);
  return column;
}

const valuesOf = (column: Column): ArrayLike<number> & Iterable<number> =>
  column.type === 'numeric' ? column.values : column.codes;

/** The class of each row. */
function classCodes(column: Column, classes: readonly string[]): Int32Array {
  const byLabel = new Map(classes.map((label, code) => [label, code]));
  const labelOf = (value: number): string =>
    column.type === 'numeric' ? String(value) : (column.categories[value] ?? '');
  return Int32Array.from(valuesOf(column), (value) => byLabel.get(labelOf(value)) ?? -1);
}

function fitColumn(column: Column, spec: ResolvedSpec, training: Int32Array): FeatureEncoding {
  const { name } = column;
  const { numeric, categorical } = spec.data.preprocessing;
  if (column.type === 'categorical') {
    return { name, type: column.type, kind: categorical.kind, categories: [...column.categories] };
  }
  const seen = Float64Array.from(training, (row) => column.values[row] ?? 0);
  const fitted = numericPreprocessors.get(numeric.kind).fit(seen, numeric);
  return { name, type: column.type, kind: numeric.kind, fitted: { ...fitted } };
}

function encodeColumns(
  columns: readonly Column[],
  encodings: readonly FeatureEncoding[],
  rows: number,
  featureCount: number,
): Float32Array {
  const features = new Float32Array(rows * featureCount);
  let start = 0;
  for (const [i, encoding] of encodings.entries()) {
    const column = columns[i];
    if (column === undefined) continue;
    const values = valuesOf(column);
    for (let row = 0; row < rows; row++) {
      encodeValue(encoding, values[row] ?? 0, features, row * featureCount + start);
    }
    start += widthOf(encoding);
  }
  return features;
}

function encodeClasses(codes: Int32Array, outputs: number): Float32Array {
  if (outputs === 1) return Float32Array.from(codes);
  const targets = new Float32Array(codes.length * outputs);
  for (const [row, code] of codes.entries()) targets[row * outputs + code] = 1;
  return targets;
}

const preprocessingOf = (
  features: readonly FeatureEncoding[],
  featureCount: number,
  { target, targetType, classes, outputs }: Task,
): Preprocessing => ({
  features: [...features],
  target: { name: target, type: targetType, classes: [...classes] },
  featureCount,
  targetCount: outputs,
});
