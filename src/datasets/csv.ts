// A CSV as a typed table, or what is known of it without keeping its rows. Touches no database: the worker's
// threads read their data with it too.
import type { ColumnSummary, Table } from '../engine/table.ts';
import { createColumnBuild } from './column-build.ts';
import { createColumnScan } from './column-scan.ts';
import { type ColumnTypes, typeOf, unknownColumns } from './columns.ts';
import { CsvFlaw } from './csv-flaw.ts';
import { readCsv } from './csv-reader.ts';
import { type CsvLimits, defaultCsvLimits } from './limits.ts';

type Source = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/**
 * The table of a whole file. Columns that neither list names get their types from an extra pass; one pass is
 * enough, and fastest, when every column is named. Throws CsvFlaw.
 */
export async function parseCsv(
  bytes: Uint8Array,
  given: Partial<ColumnTypes> = {},
  limits: CsvLimits = defaultCsvLimits,
): Promise<Table> {
  let types: ColumnTypes = { categorical: given.categorical ?? [], numeric: given.numeric ?? [] };
  const names = await readHeader(bytes, limits);
  if (names.some((name) => typeOf(name, types) === null)) {
    const { columns } = await scanCsv(() => [bytes], types, limits);
    const named = (type: string) => columns.filter((column) => column.type === type).map(({ name }) => name);
    types = { categorical: named('categorical'), numeric: named('numeric') };
  }
  return buildTable([bytes], types.categorical, limits);
}

/**
 * The table of a file in one pass: the named columns are categorical, all others numbers. `rowCount` is of the file,
 * where it is known. Throws CsvFlaw.
 */
export async function buildTable(
  source: Source,
  categorical: readonly string[],
  limits: CsvLimits,
  rowCount: number | null = null,
): Promise<Table> {
  const names = new Set(categorical);
  const build = createColumnBuild((name) => names.has(name), rowCount);
  return build.finish(await readCsv(source, build, limits));
}

/** Types and summaries of the columns. `open` gives the file from its start; it may be asked twice. */
export async function scanCsv(
  open: () => Source,
  types: ColumnTypes,
  limits: CsvLimits,
): Promise<{ columns: ColumnSummary[]; rowCount: number }> {
  const scan = createColumnScan(types, limits);
  const rowCount = await readCsv(open(), withTypesChecked(scan, types), limits);
  const { columns, again } = scan.finish();
  if (again.length === 0) return { columns, rowCount };
  return scanCsv(open, { ...types, categorical: [...types.categorical, ...again] }, limits);
}

/** Thrown by the scan when `?categorical=` or `?numeric=` name what is not there. */
export class UnknownColumns extends Error {
  override readonly name = 'UnknownColumns';
  readonly issues: readonly { pointer: string; detail: string }[];

  constructor(issues: readonly { pointer: string; detail: string }[]) {
    super(issues.map(({ detail }) => detail).join('; '));
    this.issues = issues;
  }
}

function withTypesChecked(scan: ReturnType<typeof createColumnScan>, types: ColumnTypes) {
  return {
    header(names: readonly string[]) {
      const issues = unknownColumns(types, names);
      if (issues.length > 0) throw new UnknownColumns(issues);
      scan.header(names);
    },
    cell: scan.cell,
  };
}

/** Enough has been read once the header is there. */
class HeaderSeen extends Error {
  readonly names: readonly string[];
  constructor(names: readonly string[]) {
    super('header');
    this.names = names;
  }
}

async function readHeader(bytes: Uint8Array, limits: CsvLimits): Promise<readonly string[]> {
  const stop = (names: readonly string[]) => {
    throw new HeaderSeen(names);
  };
  try {
    await readCsv([bytes], { header: stop, cell: () => undefined }, limits);
  } catch (error) {
    if (error instanceof HeaderSeen) return error.names;
    throw error;
  }
  throw new CsvFlaw('the file is empty');
}
