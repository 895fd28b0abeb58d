// The first rows of a file, without reading more of it than they need.
import { cellText } from './columns.ts';
import { CsvFlaw } from './csv-flaw.ts';
import { readCsv } from './csv-reader.ts';
import { parseDecimal } from './decimal.ts';
import { defaultCsvLimits } from './limits.ts';

/** A value per column and row. The file has been accepted once: it is not checked again. */
export async function previewRows(
  content: AsyncIterable<Uint8Array>,
  columns: readonly { readonly type: 'numeric' | 'categorical' }[],
  rowsMax: number,
): Promise<(number | string)[][]> {
  const rows: (number | string)[][] = [];
  const sink = {
    header: () => undefined,
    cell(column: number, bytes: Uint8Array, start: number, end: number) {
      if (column === 0) rows.push([]);
      if (rows.length > rowsMax) return;
      const numeric = columns[column]?.type === 'numeric';
      rows.at(-1)?.push(numeric ? parseDecimal(bytes, start, end) : cellText(bytes, start, end));
    },
  };
  const enough = () => rows.length > rowsMax;
  try {
    await readCsv(untilEnough(content, enough), sink, defaultCsvLimits);
  } catch (error) {
    // The file was left in the middle of a row that is not wanted.
    if (!(error instanceof CsvFlaw && enough())) throw error;
  }
  return rows.slice(0, rowsMax);
}

async function* untilEnough(
  content: AsyncIterable<Uint8Array>,
  enough: () => boolean,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of content) {
    yield chunk;
    if (enough()) return;
  }
}
