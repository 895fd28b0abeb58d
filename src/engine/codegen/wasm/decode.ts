/** Rows of a coded table, four columns at a time: what is behind the last column comes out as zeros. */
import { factorsAt, rowsAt } from '../../coded-table.ts';
import type { Code, Local } from './assembler.ts';
import { FLOAT_BYTES, VECTOR_LANES } from './target.ts';

export const DOUBLE_BYTES = 8;
const CACHE_LINE_BYTES = 64;
/** Of a row: the rest of a long one is foreseen by the processor. */
const TOUCHED_BYTES_MAX = 2048;

/** `from`: the table's address, and as many bytes further on as there are before the row. */
export function touchRow(code: Code, from: Local, columns: number): void {
  for (let byte = 0; byte < Math.min(columns, TOUCHED_BYTES_MAX); byte += CACHE_LINE_BYTES) {
    code.get(from);
    code.memory('i32.load', rowsAt(columns) + byte);
    code.op('drop');
  }
}

export interface DecodeAt {
  readonly from: Local;
  /** Of the table, and a double further on for each column before. */
  readonly lines: Local;
  /** The floats go to this and the offset. */
  readonly to: Local;
  readonly offset: number;
}

/** The next `count` columns of `columns`. */
export function decodeColumns(code: Code, at: DecodeAt, columns: number, count: number): void {
  const codes = code.local('v128');
  const line = (part: number): void => {
    code.get(at.lines);
    code.memory('v128.load', part);
  };
  /** Two of the four as floats. */
  const pair = (column: number): void => {
    code.op('f64x2.convert_low_i32x4_s');
    line(column * DOUBLE_BYTES);
    code.op('f64x2.sub');
    line(factorsAt(columns) + column * DOUBLE_BYTES);
    code.op('f64x2.mul');
    code.op('f32x4.demote_f64x2_zero');
  };
  for (let column = 0; column < count; column += VECTOR_LANES) {
    code.get(at.to);
    code.get(at.from);
    code.memory('v128.load32_zero', rowsAt(columns) + column);
    code.op('i16x8.extend_low_i8x16_u');
    code.op('i32x4.extend_low_i16x8_u');
    code.tee(codes);
    pair(column);
    code.get(codes);
    code.get(codes);
    code.shuffle([2, 3, 6, 7]);
    pair(column + 2);
    code.shuffle([0, 1, 4, 5]);
    code.memory('v128.store', at.offset + column * FLOAT_BYTES);
  }
}
