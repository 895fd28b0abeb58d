/**
 * From a table to what training runs on: the split into parts, the preprocessing fitted on the training rows only,
 * and the encoded features and targets of all rows.
 */
import type { ResidentData } from './kernels.ts';
import type { Part } from './kinds/kind.ts';
import { numericPreprocessors } from './kinds/numeric-preprocessors/registry.ts';
import { splits } from './kinds/splits/registry.ts';
import { encoderOf, type FeatureEncoding, type Preprocessing, widthOf } from './preprocessing.ts';
import { stream } from './random.ts';
import type { Resolved, ResolvedSpec, Task } from './resolve.ts';
import type { Column, Table } from './table.ts';

export interface PreparedData extends ResidentData {
  readonly featureCount: number;
  readonly targetCount: number;
  readonly parts: Readonly<Record<Part, Int32Array>>;
  readonly preprocessing: Preprocessing;
}

/** Where the tables of the data shall lie: all zeros, features rows × featureCount and targets rows × targetCount. */
export type AllocateTables = (rows: number, featureCount: number, targetCount: number) => ResidentData;

const ownTables: AllocateTables = (rows, featureCount, targetCount) => ({
  rows,
  features: new Float32Array(rows * featureCount),
  targets: new Float32Array(rows * targetCount),
});

/**
 * `resolved` comes from this table's columns (resolveTask). Targets are the value; 0 or 1 for two classes on one
 * output; otherwise one-hot.
 */
export function prepareData(
  { spec, task }: Resolved,
  table: Table,
  allocate: AllocateTables = ownTables,
): PreparedData {
  const columns = new Map(table.columns.map((column) => [column.name, column]));
  const target = columnOf(columns, task.target);
  const codes = task.targetType === 'categorical' ? classCodes(target, task.classes) : null;
  const parts = splits
    .get(spec.data.split.kind)
    .assign({ rows: table.rowCount, strata: codes, random: stream(spec.seed, 'split') }, spec.data.split);

  const inputs = task.features.map(({ name }) => columnOf(columns, name));
  // One array for all columns in turn.
  const seen = new Float64Array(parts.training.length);
  const encodings = inputs.map((column) => fitColumn(column, spec, parts.training, seen));
  const featureCount = encodings.reduce((sum, encoding) => sum + widthOf(encoding), 0);
  const tables = allocate(table.rowCount, featureCount, task.outputs);
  encodeColumns(inputs, encodings, tables.features, featureCount);
  if (codes === null) tables.targets.set(valuesOf(target));
  else encodeClasses(codes, tables.targets, task.outputs);
  return {
    ...tables,
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

function fitColumn(
  column: Column,
  spec: ResolvedSpec,
  training: Int32Array,
  seen: Float64Array,
): FeatureEncoding {
  const { name } = column;
  const { numeric, categorical } = spec.data.preprocessing;
  if (column.type === 'categorical') {
    return { name, type: column.type, kind: categorical.kind, categories: [...column.categories] };
  }
  for (let i = 0; i < training.length; i++) seen[i] = column.values[training[i] ?? 0] ?? 0;
  const fitted = numericPreprocessors.get(numeric.kind).fit(seen, numeric);
  return { name, type: column.type, kind: numeric.kind, fitted: { ...fitted } };
}

/** Columns are read and rows are written: in blocks of so many rows, both stay in the cache. */
const BLOCK_ROWS = 256;

function encodeColumns(
  columns: readonly Column[],
  encodings: readonly FeatureEncoding[],
  features: Float32Array,
  featureCount: number,
): void {
  let start = 0;
  const sources = columns.flatMap((column, i) => {
    const encoding = encodings[i];
    if (encoding === undefined) return [];
    const source = { values: valuesOf(column), encode: encoderOf(encoding), start };
    start += widthOf(encoding);
    return [source];
  });
  const rows = featureCount === 0 ? 0 : features.length / featureCount;
  for (let first = 0; first < rows; first += BLOCK_ROWS) {
    const end = Math.min(first + BLOCK_ROWS, rows);
    for (const { values, encode, start: offset } of sources) {
      for (let row = first; row < end; row++) {
        encode(values[row] ?? 0, features, row * featureCount + offset);
      }
    }
  }
}

function encodeClasses(codes: Int32Array, targets: Float32Array, outputs: number): void {
  if (outputs === 1) targets.set(codes);
  else for (let row = 0; row < codes.length; row++) targets[row * outputs + (codes[row] ?? 0)] = 1;
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
