// Reads a CSV once without keeping it: what type each column has, and what is said about it. Says the same as
// the engine's `summarize` would of the table.
import { CLASSES_MAX, type ColumnSummary } from '../engine/table.ts';
import { type ColumnTypes, cellProblem, cellText, createCategoryBudget, typeOf } from './columns.ts';
import { CsvFlaw } from './csv-flaw.ts';
import type { CsvSink } from './csv-reader.ts';
import { parseDecimal } from './decimal.ts';
import type { CsvLimits } from './limits.ts';

/** From this share on (and two cells), a column is meant to be numbers and its texts are mistakes. */
const numericShare = 0.9;

interface Scan {
  readonly name: string;
  readonly given: 'numeric' | 'categorical' | null;
  rows: number;
  numbers: number;
  firstText: { value: string; line: number } | null;
  integer: boolean;
  min: number;
  max: number;
  mean: number;
  classes: Set<number> | null;
  /** Texts with their counts; null while all cells were numbers. */
  counts: Map<string, number> | null;
  /** Numbers came before the first text: their spelling is not known any more. */
  incomplete: boolean;
}

export interface ScanResult {
  readonly columns: ColumnSummary[];
  /** Columns that turned out to be categorical late: scan again with them given as such. Then `columns` is empty. */
  readonly again: readonly string[];
}

export interface ColumnScan extends CsvSink {
  /** Throws CsvFlaw for a column that is almost numeric. */
  finish(): ScanResult;
}

export function createColumnScan(types: ColumnTypes, limits: CsvLimits): ColumnScan {
  let scans: Scan[] = [];
  const budget = createCategoryBudget(limits);
  return {
    header(names) {
      scans = names.map((name) => {
        const given = typeOf(name, types);
        const counts = given === 'categorical' ? new Map<string, number>() : null;
        return { name, given, counts, ...empty, classes: new Set<number>() };
      });
    },
    cell(column, bytes, start, end, line) {
      const scan = scans[column];
      if (scan === undefined) return;
      scan.rows++;
      const value = scan.given === 'categorical' ? Number.NaN : parseDecimal(bytes, start, end);
      if (!Number.isNaN(value)) {
        addNumber(scan, value);
        if (scan.counts === null) return;
      }
      const text = cellText(bytes, start, end);
      if (Number.isNaN(value)) {
        const problem = cellProblem(text, scan.given);
        if (problem !== null) throw new CsvFlaw(problem, { line, column: scan.name });
        scan.firstText ??= { value: text, line };
        if (scan.counts === null) {
          scan.counts = new Map();
          scan.incomplete = scan.numbers > 0;
        }
      }
      if (!scan.incomplete && scan.counts !== null) {
        const known = scan.counts.get(text);
        if (known === undefined) budget.add(text, scan.counts.size + 1, scan.name, line);
        scan.counts.set(text, (known ?? 0) + 1);
      }
    },
    finish() {
      for (const scan of scans) refuseAlmostNumeric(scan);
      const again = scans.filter(({ incomplete }) => incomplete).map(({ name }) => name);
      return { columns: again.length > 0 ? [] : scans.map(summary), again };
    },
  };
}

const empty = {
  rows: 0,
  numbers: 0,
  firstText: null,
  integer: true,
  min: Number.POSITIVE_INFINITY,
  max: Number.NEGATIVE_INFINITY,
  mean: 0,
  incomplete: false,
};

function addNumber(scan: Scan, value: number): void {
  scan.numbers++;
  if (value < scan.min) scan.min = value;
  if (value > scan.max) scan.max = value;
  scan.mean += value / scan.numbers - scan.mean / scan.numbers;
  if (scan.integer && !Number.isInteger(value)) {
    scan.integer = false;
    scan.classes = null;
  }
  if (scan.classes !== null && !scan.classes.has(value)) {
    if (scan.classes.size >= CLASSES_MAX) scan.classes = null;
    else scan.classes.add(value);
  }
}

function refuseAlmostNumeric({ name, given, rows, numbers, firstText }: Scan): void {
  if (given !== null || firstText === null || numbers < 2 || numbers < rows * numericShare) return;
  const { value, line } = firstText;
  const share = `${numbers} of ${rows} cells of this column are numbers`;
  const way = `correct it, or upload with ?categorical=${encodeURIComponent(name)} to read the column as texts`;
  throw new CsvFlaw(`${JSON.stringify(value.slice(0, 60))} is not a number, while ${share}; ${way}`, {
    line,
    column: name,
  });
}

function summary(scan: Scan): ColumnSummary {
  const { name, counts } = scan;
  if (counts !== null) {
    const categories = [...counts].map(([value, count]) => ({ value, count }));
    categories.sort((a, b) => (a.value < b.value ? -1 : 1));
    return { name, type: 'categorical', categories };
  }
  const { integer, min, max, mean, classes } = scan;
  const sorted = integer && classes !== null ? [...classes].sort((a, b) => a - b).map(String) : null;
  return { name, type: 'numeric', integer, min, max, mean, classes: sorted };
}
