// How large a CSV may be. Every bound is checked while the file streams in.

export interface CsvLimits {
  /** The whole file. */
  readonly bytesMax: number;
  readonly columnsMax: number;
  /** One line, so that a file without line breaks cannot fill the memory. */
  readonly lineBytesMax: number;
  readonly rowsMax: number;
  /** Distinct texts of one categorical column. */
  readonly categoriesMax: number;
  /** Distinct texts of all columns together, in UTF-16 units. */
  readonly categoryTextMax: number;
}

export const columnNameLengthMax = 200;

export const defaultCsvLimits: CsvLimits = {
  bytesMax: 512 * 1024 * 1024,
  columnsMax: 10_000,
  lineBytesMax: 1024 * 1024,
  rowsMax: 50_000_000,
  categoriesMax: 10_000,
  categoryTextMax: 4 * 1024 * 1024,
};
