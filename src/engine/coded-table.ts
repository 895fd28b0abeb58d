/**
 * A table whose elements are bytes: byte b in column c stands for fround((b − offset[c]) · factor[c]), computed in f64.
 * It is one array of bytes, so that wherever a table of floats lies, this can lie instead: the offsets, the factors, then
 * the rows. Back ends work on whole vectors: offsets and factors are padded with zeros to whole blocks of columns, and
 * as many bytes follow the rows.
 */
import { VIRTUAL_LANES } from './kernels.ts';

export const CODES = 256;
const DOUBLE_BYTES = Float64Array.BYTES_PER_ELEMENT;

const padded = (columns: number): number => Math.ceil(columns / VIRTUAL_LANES) * VIRTUAL_LANES;

/** Where the factors begin, and the rows. */
export const factorsAt = (columns: number): number => padded(columns) * DOUBLE_BYTES;
export const rowsAt = (columns: number): number => 2 * factorsAt(columns);

export const codedLength = (rows: number, columns: number): number =>
  rowsAt(columns) + rows * columns + VIRTUAL_LANES;

export interface CodedTable {
  readonly offsets: Float64Array;
  readonly factors: Float64Array;
  /** Row-major: rows × columns. */
  readonly codes: Uint8Array;
}

/** Its parts, as views. */
export function codedTable(table: Uint8Array, columns: number): CodedTable {
  const doubles = (at: number) => new Float64Array(table.buffer, table.byteOffset + at, columns);
  return {
    offsets: doubles(0),
    factors: doubles(factorsAt(columns)),
    codes: table.subarray(rowsAt(columns), table.length - VIRTUAL_LANES),
  };
}

export const decoded = (code: number, offset: number, factor: number): number =>
  Math.fround((code - offset) * factor);
