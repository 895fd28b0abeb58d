// Reads a CSV whose columns' types are known into the engine's table, in one pass.
import type { Column, Table } from '../engine/table.ts';
import { cellProblem, cellText } from './columns.ts';
import { CsvFlaw } from './csv-flaw.ts';
import type { CsvSink } from './csv-reader.ts';
import { parseDecimal } from './decimal.ts';

interface NumericBuild {
  readonly name: string;
  readonly codes: null;
  values: Float64Array;
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

export function createColumnBuild(isCategorical: (name: string) => boolean): ColumnBuild {
  let builds: (NumericBuild | CategoricalBuild)[] = [];
  return {
    header(names) {
      builds = names.map((name) =>
        isCategorical(name)
          ? { name, codes: new Map(), values: new Int32Array(rowsAtFirst), rows: 0 }
          : { name, codes: null, values: new Float64Array(rowsAtFirst), rows: 0 },
      );
    },
    cell(column, bytes, start, end, line) {
      const build = builds[column];
      if (build === undefined) return;
      if (build.codes === null) {
        if (build.rows === build.values.length) build.values = grown(build.values, Float64Array);
        const value = parseDecimal(bytes, start, end);
        if (Number.isNaN(value)) {
          const problem = cellProblem(cellText(bytes, start, end), 'numeric') ?? 'not a number';
          throw new CsvFlaw(problem, { line, column: build.name });
        }
        build.values[build.rows++] = value;
      } else {
        if (build.rows === build.values.length) build.values = grown(build.values, Int32Array);
        const text = cellText(bytes, start, end);
        const problem = cellProblem(text, 'categorical');
        if (problem !== null) throw new CsvFlaw(problem, { line, column: build.name });
        const code = build.codes.get(text) ?? build.codes.size;
        build.codes.set(text, code);
        build.values[build.rows++] = code;
      }
    },
    finish: (rowCount) => ({ rowCount, columns: builds.map(toColumn) }),
  };
}

function grown<T extends Float64Array | Int32Array>(values: T, Kind: new (length: number) => T): T {
  const larger = new Kind(values.length * 2);
  larger.set(values);
  return larger;
}

function toColumn(build: NumericBuild | CategoricalBuild): Column {
  const { name, rows } = build;
  if (build.codes === null) return { name, type: 'numeric', values: build.values.slice(0, rows) };
  const categories = [...build.codes.keys()].sort((a, b) => (a < b ? -1 : 1));
  const sortedCode = new Int32Array(categories.length);
  for (const [code, text] of categories.entries()) sortedCode[build.codes.get(text) ?? 0] = code;
  const codes = build.values.slice(0, rows).map((code) => sortedCode[code] ?? 0);
  return { name, type: 'categorical', categories, codes };
}
