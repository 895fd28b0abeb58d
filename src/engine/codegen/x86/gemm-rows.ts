/** The rows of a product for one group of columns: which tiles, in which order, and where each finds its operands. */

import { VIRTUAL_LANES } from '../../kernels.ts';
import { log2 } from '../log2.ts';
import type { Span } from './amounts.ts';
import { countOf, loadAmount, repeat } from './amounts.ts';
import type { Gp, Label, Mem } from './operands.ts';
import { at, r9, r10, r12, r13, r14, rax, rbx, rdi, rsi } from './operands.ts';
import type { Place } from './places.ts';
import type { Product } from './product.ts';
import { A, B } from './product.ts';
import { ARENA, BLOCK_BYTES, blockOffset, FLOAT_BYTES, pointAtBlock, rowBytes } from './target.ts';
import { emitTile, hasLoop } from './tile.ts';
import type { ColumnGroup } from './tiling.ts';
import { evenTiles, tileChoices, tileRowsMax } from './tiling.ts';

/** The group's first row of B, of the output (at row 0), and in vectors along the columns. */
export const GROUP_B: Gp = r14;
export const GROUP_OUT: Gp = r13;
export const GROUP_COLUMN: Gp = r12;
/** The tile's first row: in matrices of the output's shape, in vectors along the rows, in A, and its number. */
const OUT: Gp = rsi;
const ROW: Gp = rdi;
const A_ROWS: Gp = r9;
const M: Gp = rbx;
const COUNTER: Gp = r10;
/** Rows that threads share out start at multiples of four. */
const SMALL_CHUNK = 4;

/** All tiles one after another, at addresses that are known. */
export function emitWrittenOut(p: Product, group: ColumnGroup, rows: number, block: number): void {
  const { target, kernel, a, b } = p;
  const { asm } = target;
  const line = rowBytes(target);
  const max = tileRowsMax(target.isa, group.vectors.length);
  const chunk = kernel.aTransposed ? VIRTUAL_LANES : rows;
  for (let start = 0; start < rows; start += chunk) {
    let row = start;
    for (const height of evenTiles(Math.min(chunk, rows - start), max)) {
      const shape = { rows: height, vectors: group.vectors };
      const inA = kernel.aTransposed
        ? blockOffset(target, a.capacityRows, start / VIRTUAL_LANES) + (row - start) * FLOAT_BYTES
        : row * line;
      let fromA = at(ARENA, a.offset + inA);
      let fromB = kernel.bTransposed
        ? at(GROUP_B)
        : at(ARENA, b.offset + blockOffset(target, b.capacityRows, block));
      if (hasLoop(p, shape)) {
        asm.lea(A, fromA);
        asm.lea(B, fromB);
        [fromA, fromB] = [at(A), at(B)];
      }
      const out = at(ARENA, blockOffset(target, p.outRows, block) + row * line);
      const place: Place = {
        full: () => out,
        col: at(ARENA, block * BLOCK_BYTES),
        row: at(ARENA, row * FLOAT_BYTES),
      };
      emitTile(p, shape, fromA, fromB, place);
      row += height;
    }
  }
}

/** Loops over tiles; each height is a function of its own, behind the loops. */
export function emitRows(p: Product, group: ColumnGroup, rows: Span): void {
  const { target, kernel } = p;
  const { asm } = target;
  const line = rowBytes(target);
  const functions = new Map<number, Label>();
  const call = (height: number, a: Mem): void => {
    const label = functions.get(height) ?? asm.label();
    functions.set(height, label);
    asm.lea(A, a);
    asm.mov(B, GROUP_B);
    asm.call(label);
    asm.opImmediate('add', OUT, height * line);
    asm.opImmediate('add', ROW, height * FLOAT_BYTES);
  };
  loadAmount(target, M, rows.from);
  asm.imulImmediate(OUT, M, line);
  asm.lea(ROW, { base: ARENA, index: M, scale: FLOAT_BYTES, disp: 0 });
  if (!kernel.aTransposed) {
    asm.mov(A_ROWS, OUT);
    asm.op('add', A_ROWS, ARENA);
    asm.opImmediate('add', A_ROWS, p.a.offset);
  }
  asm.op('add', OUT, GROUP_OUT);
  const max = tileRowsMax(target.isa, group.vectors.length);
  if (kernel.aTransposed) emitDownColumns(p, rows, max, call);
  else emitAlongRows(p, rows, max, call);
  const end = asm.label();
  asm.jmp(end);
  for (const [height, label] of functions) {
    asm.align(32);
    asm.bind(label);
    const place: Place = { full: () => at(OUT), col: at(GROUP_COLUMN), row: at(ROW) };
    emitTile(p, { rows: height, vectors: group.vectors }, at(A), at(B), place);
    asm.ret();
  }
  asm.bind(end);
}

type Call = (height: number, a: Mem) => void;

function emitAlongRows(p: Product, rows: Span, max: number, call: Call): void {
  const { target } = p;
  const { asm } = target;
  const tile = (height: number): void => {
    call(height, at(A_ROWS));
    asm.opImmediate('add', A_ROWS, height * rowBytes(target));
  };
  const known = countOf(rows);
  if (known !== null) {
    const heights = evenTiles(known, max);
    for (const height of new Set(heights)) {
      const count = heights.filter((h) => h === height).length;
      asm.movImmediate(M, count);
      repeat(target, M, () => tile(height), count);
    }
    return;
  }
  asm.imulImmediate(M, M, -1);
  if (typeof rows.to === 'number') asm.opImmediate('add', M, rows.to);
  else asm.op('add', M, rows.to);
  // M counts what is left.
  const top = asm.label();
  const end = asm.label();
  asm.bind(top);
  for (const { atLeast, rows: height } of tileChoices(max)) {
    const next = asm.label();
    asm.opImmediate('cmp', M, atLeast);
    asm.jcc('l', next);
    tile(height);
    asm.opImmediate('sub', M, height);
    asm.jmp(top);
    asm.bind(next);
  }
  asm.bind(end);
}

function emitDownColumns(p: Product, rows: Span, max: number, call: Call): void {
  const { target, kernel, a } = p;
  const { asm } = target;
  const total = typeof kernel.m === 'number' ? kernel.m : p.outRows;
  /** Rows M … M + count − 1, which lie in one block of A's columns from column `first` on, where that is known. */
  const chunk = (count: number): void => {
    asm.mov(COUNTER, M);
    asm.shift('shr', COUNTER, log2(VIRTUAL_LANES));
    pointAtBlock(target, A_ROWS, COUNTER, a.capacityRows);
    if (count < VIRTUAL_LANES) {
      asm.mov(rax, M);
      asm.opImmediate('and', rax, VIRTUAL_LANES - 1);
      asm.lea(A_ROWS, { base: A_ROWS, index: rax, scale: FLOAT_BYTES, disp: 0 });
    }
    let done = 0;
    for (const height of evenTiles(count, max)) {
      call(height, at(A_ROWS, a.offset + done * FLOAT_BYTES));
      done += height;
    }
    asm.opImmediate('add', M, count);
  };
  const compare = (disp: number): void => {
    asm.lea(rax, at(M, disp));
    if (typeof rows.to === 'number') asm.opImmediate('cmp', rax, rows.to);
    else asm.op('cmp', rax, rows.to);
  };
  const top = asm.label();
  const noBlock = asm.label();
  const end = asm.label();
  asm.bind(top);
  const whole = (): void => {
    compare(VIRTUAL_LANES);
    asm.jcc('g', noBlock);
    chunk(VIRTUAL_LANES);
    asm.jmp(top);
  };
  if (total >= VIRTUAL_LANES) {
    if (target.threaded) {
      asm.mov(rax, M);
      asm.opImmediate('and', rax, VIRTUAL_LANES - 1);
      asm.jcc('ne', noBlock);
    }
    whole();
  }
  asm.bind(noBlock);
  if (target.threaded) {
    const noFour = asm.label();
    compare(SMALL_CHUNK);
    asm.jcc('g', noFour);
    chunk(SMALL_CHUNK);
    asm.jmp(top);
    asm.bind(noFour);
  }
  const rest = total % (target.threaded ? SMALL_CHUNK : VIRTUAL_LANES);
  if (rest > 0) {
    compare(rest);
    asm.jcc('g', end);
    chunk(rest);
  }
  asm.bind(end);
}
