// Which rows of the example's file the training never sees. The split is a pure function of spec, data
// and seed, so it can be told here as well as in the worker.
import { parse } from 'csv-parse/sync';
import { prepareData } from '../engine/prepare.ts';
import { resolveTask } from '../engine/resolve.ts';
import { engineSpec } from '../engine/spec.ts';
import { summarize, type Table } from '../engine/table.ts';

export interface HeldOutRow {
  readonly features: Readonly<Record<string, number>>;
  /** The features alone, in the file's order. */
  readonly pixels: readonly number[];
  readonly truth: string;
}

/** The test part's rows, in the file's order. `csv` holds numbers only, as examples/data/digits.csv does. */
export function heldOutRows(spec: Readonly<Record<string, unknown>>, csv: Buffer): HeldOutRow[] {
  const records: Record<string, string>[] = parse(csv, { columns: true });
  const { name: _name, data, ...engine } = spec;
  const parsed = engineSpec.parse({ ...engine, data: { ...(data as object), dataset: 'local' } });
  const table = numericTable(records);
  const resolved = resolveTask(parsed, summarize(table));
  if ('issues' in resolved) throw new Error('the example does not fit its data');
  const { parts } = prepareData(resolved, table);
  return Array.from(parts.test, (row) => {
    const { [parsed.data.target]: truth = '', ...cells } = records[row] ?? {};
    const features = Object.fromEntries(
      Object.entries(cells).map(([column, cell]) => [column, Number(cell)]),
    );
    return { features, pixels: Object.values(features), truth };
  });
}

function numericTable(records: readonly Record<string, string>[]): Table {
  const names = Object.keys(records[0] ?? {});
  return {
    rowCount: records.length,
    columns: names.map((name) => ({
      name,
      type: 'numeric',
      values: Float64Array.from(records, (record) => Number(record[name])),
    })),
  };
}
