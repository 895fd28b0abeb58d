// Reads a CSV whose columns' types are known into the engine's table, in one pass. Columns lie in shared memory,
// so that threads can use one table, each in the narrowest array that holds its very numbers.
import type { Column, NumericValues, Table } from '../engine/table.ts';
import { cellProblem, cellText } from './columns.ts';
import { CsvFlaw } from './csv-flaw.ts';
import type { CsvSink } from './csv-reader.ts';
import { parseDecimal } from './decimal.ts';

interface NumericBuild {
  readonly name: string;
  readonly codes: null;
  /** Index into `widths`. */
  width: number;
  values: NumericValues;
  rows: number;
}

interface CategoricalBuild {
  readonly name: string;
  /** Text → code in the order of appearance. */
  readonly codes: Map<string, number>;
  values: Int32Array;
  rows: number;
}

export interface ColumnBuild extends CsvSink {
  finish(rowCount: number): Table;
}

const rowsAtFirst = 1024;

const codesOf = (length: number) => new Int32Array(new SharedArrayBuffer(length * 4));

/** From the narrowest; the last holds every number. */
const widths: readonly ((length: number) => NumericValues)[] = [
  (length) => new Uint8Array(new SharedArrayBuffer(length)),
  (length) => new Float32Array(new SharedArrayBuffer(length * 4)),
  (length) => new Float64Array(new SharedArrayBuffer(length * 8)),
];

/** `rowCount`, where it is known, spares every column from growing. */
export function createColumnBuild(
  isCategorical: (name: string) => boolean,
  rowCount: number | null = null,
): ColumnBuild {
  let builds: (NumericBuild | CategoricalBuild)[] = [];
  const capacity = rowCount ?? rowsAtFirst;
  return {
    header(names) {
      builds = names.map((name) =>
        isCategorical(name)
          ? { name, codes: new Map(), values: codesOf(capacity), rows: 0 }
          : { name, codes: null, width: 0, values: new Uint8Array(), rows: 0 },
      );
    },
    cell(column, bytes, start, end, line) {
      const build = builds[column];
      if (build === undefined) return;
      if (build.codes === null) {
        const value = parseDecimal(bytes, start, end);
        if (Number.isNaN(value)) {
          const problem = cellProblem(cellText(bytes, start, end), 'numeric') ?? 'not a number';
          throw new CsvFlaw(problem, { line, column: build.name });
        }
        if (build.rows === build.values.length || !fits(value, build.width)) widen(build, value, capacity);
        build.values[build.rows++] = value;
      } else {
        if (build.rows === build.values.length) {
          build.values = moved(build.values, codesOf(grownLength(build.rows, capacity)));
        }
        const text = cellText(bytes, start, end);
        const problem = cellProblem(text, 'categorical');
        if (problem !== null) throw new CsvFlaw(problem, { line, column: build.name });
        const code = build.codes.get(text) ?? build.codes.size;
        build.codes.set(text, code);
        build.values[build.rows++] = code;
      }
    },
    finish: (rows) => ({ rowCount: rows, columns: builds.map(toColumn) }),
  };
}

/** Whether the very number, its sign included, can be kept in that width. */
function fits(value: number, width: number): boolean {
  if (width === 0) return (value & 0xff) === value && !Object.is(value, -0);
  return width === 2 || Math.fround(value) === value;
}

/** Makes room for the value: more of it, or wider. */
function widen(build: NumericBuild, value: number, capacity: number): void {
  while (!fits(value, build.width)) build.width++;
  const length = build.rows < build.values.length ? build.values.length : grownLength(build.rows, capacity);
  build.values = moved(build.values, numbersOf(build.width, length));
}

const grownLength = (rows: number, capacity: number): number => (rows === 0 ? capacity : rows * 2);

function numbersOf(width: number, length: number): NumericValues {
  const make = widths[width];
  if (make === undefined) throw new Error(`no numbers of width ${width}`);
  return make(length);
}

/** Fills `next`, as far as it goes. */
function moved<T extends NumericValues | Int32Array>(values: NumericValues | Int32Array, next: T): T {
  next.set(values.subarray(0, next.length));
  return next;
}

function toColumn(build: NumericBuild | CategoricalBuild): Column {
  const { name, rows } = build;
  if (build.codes === null) {
    const { values, width } = build;
    const exact = values.length === rows ? values : moved(values, numbersOf(width, rows));
    return { name, type: 'numeric', values: exact };
  }
  const categories = [...build.codes.keys()].sort((a, b) => (a < b ? -1 : 1));
  const sortedCode = new Int32Array(categories.length);
  for (const [code, text] of categories.entries()) sortedCode[build.codes.get(text) ?? 0] = code;
  const codes = moved(build.values, codesOf(rows));
  for (let row = 0; row < rows; row++) codes[row] = sortedCode[codes[row] ?? 0] ?? 0;
  return { name, type: 'categorical', categories, codes };
}
