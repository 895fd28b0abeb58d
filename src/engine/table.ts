/**
 * A dataset as the engine sees it: typed columns without missing values, and what is said about each of them.
 * A categorical column's categories are sorted by code unit; `codes` are indices into them.
 */
export interface NumericColumn {
  readonly name: string;
  readonly type: 'numeric';
  readonly values: NumericValues;
}

/** The very numbers, in the narrowest of these arrays that holds them all: a column of bytes takes a byte a row. */
export type NumericValues = Float64Array | Float32Array | Uint8Array;

export interface CategoricalColumn {
  readonly name: string;
  readonly type: 'categorical';
  readonly categories: readonly string[];
  readonly codes: Int32Array;
}

export type Column = NumericColumn | CategoricalColumn;

export interface Table {
  readonly rowCount: number;
  readonly columns: readonly Column[];
}

export interface NumericSummary {
  name: string;
  type: 'numeric';
  /** Whether every value is a whole number. */
  integer: boolean;
  min: number;
  max: number;
  mean: number;
  /** The distinct values in numeric order, if they are whole and at most `CLASSES_MAX`: the column can be classes. */
  classes: string[] | null;
}

export interface CategoricalSummary {
  name: string;
  type: 'categorical';
  categories: { value: string; count: number }[];
}

export type ColumnSummary = NumericSummary | CategoricalSummary;

/** More distinct whole numbers than this are a quantity, not classes. */
export const CLASSES_MAX = 1000;

/** What is known of each column without its rows. The table has at least one row. */
export function summarize(table: Table): ColumnSummary[] {
  return table.columns.map((column) =>
    column.type === 'numeric' ? summarizeNumeric(column) : summarizeCategorical(column),
  );
}

/** The distinct values in numeric order, or null where they are not whole numbers or more than `CLASSES_MAX`. */
export function integerClasses(values: NumericValues): Float64Array | null {
  const distinct = new Set<number>();
  for (const value of values) {
    if (!Number.isInteger(value)) return null;
    distinct.add(value);
    if (distinct.size > CLASSES_MAX) return null;
  }
  return Float64Array.from(distinct).sort();
}

function summarizeNumeric({ name, values }: NumericColumn): NumericSummary {
  let integer = true;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let mean = 0;
  let seen = 0;
  for (const value of values) {
    if (value < min) min = value;
    if (value > max) max = value;
    integer &&= Number.isInteger(value);
    seen++;
    mean += value / seen - mean / seen; // a running mean, divided first: no intermediate can overflow
  }
  const classes = integer ? integerClasses(values) : null;
  return { name, type: 'numeric', integer, min, max, mean, classes: classes && Array.from(classes, String) };
}

function summarizeCategorical({ name, categories, codes }: CategoricalColumn): CategoricalSummary {
  const counts = new Int32Array(categories.length);
  for (const code of codes) counts[code] = (counts[code] ?? 0) + 1;
  return {
    name,
    type: 'categorical',
    categories: categories.map((value, code) => ({ value, count: counts[code] ?? 0 })),
  };
}
