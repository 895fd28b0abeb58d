/**
 * From a table to what training runs on: the split into parts, the preprocessing fitted on the training rows only,
 * and the encoded features and targets of all rows.
 */
import { CODES, codedLength, codedTable, decoded } from './coded-table.ts';
import type { ResidentData } from './kernels.ts';
import type { Line, Part } from './kinds/kind.ts';
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

/**
 * Where the tables of the data shall lie: all zeros, features rows × featureCount or a coded table of as many, and
 * targets rows × targetCount.
 */
export type AllocateTables = (shape: TablesShape) => ResidentData;

export interface TablesShape {
  readonly rows: number;
  readonly featureCount: number;
  readonly targetCount: number;
  readonly coded: boolean;
}

const ownTables: AllocateTables = ({ rows, featureCount, targetCount, coded }) => ({
  rows,
  features: coded ? new Uint8Array(codedLength(rows, featureCount)) : new Float32Array(rows * featureCount),
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
  const rows = table.rowCount;
  const lines = isCodable(inputs, rows) ? linesOf(encodings) : null;
  const coded = lines !== null;
  const tables = allocate({ rows, featureCount, targetCount: task.outputs, coded });
  if (tables.features instanceof Float32Array) {
    encodeColumns(inputs, encodings, tables.features, featureCount);
  } else {
    codeColumns(inputs, lines ?? [], tables.features, rows);
  }
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

/** As floats: smaller tables are not worth another form. */
const CODABLE_BYTES_MIN = 4 * 1024 ** 2;

/** Whether every feature is a column of bytes, and a coded table is worth it: at most half as large. */
function isCodable(columns: readonly Column[], rows: number): boolean {
  const bytes = rows * columns.length * Float32Array.BYTES_PER_ELEMENT;
  return (
    bytes >= Math.max(CODABLE_BYTES_MIN, 2 * codedLength(rows, columns.length)) &&
    columns.every((column) => column.type === 'numeric' && column.values instanceof Uint8Array)
  );
}

/** The line of each feature's bytes; null unless it gives the very floats of the encoding for each of them. */
function linesOf(encodings: readonly FeatureEncoding[]): readonly Line[] | null {
  const lines = encodings.flatMap((encoding) => {
    if (encoding.type === 'categorical') return [];
    const line = numericPreprocessors.get(encoding.kind).line?.(encoding.fitted);
    return line !== undefined && isExact(line, encoding) ? [line] : [];
  });
  return lines.length === encodings.length ? lines : null;
}

function isExact({ offset, factor }: Line, encoding: FeatureEncoding): boolean {
  const encode = encoderOf(encoding);
  const [encoded, straight] = [new Float32Array(CODES), new Float32Array(CODES)];
  for (let code = 0; code < CODES; code++) {
    encode(code, encoded, code);
    straight[code] = decoded(code, offset, factor);
  }
  return encoded.every((value, code) => Object.is(value, straight[code]));
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

/** The bytes stay as they are, with the line that each column's lie on. */
function codeColumns(
  columns: readonly Column[],
  lines: readonly Line[],
  features: Uint8Array,
  rows: number,
): void {
  const { length } = columns;
  const { codes, offsets, factors } = codedTable(features, length);
  offsets.set(lines.map(({ offset }) => offset));
  factors.set(lines.map(({ factor }) => factor));
  const sources = columns.map(valuesOf);
  for (let first = 0; first < rows; first += BLOCK_ROWS) {
    const end = Math.min(first + BLOCK_ROWS, rows);
    for (const [c, values] of sources.entries()) {
      for (let row = first; row < end; row++) codes[row * length + c] = values[row] ?? 0;
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
