/**
 * Matrix products. The inner kernel is a tile of 4 rows × 2 vectors: eight sums, and with many more V8 begins to spill.
 * Products and sums are separate instructions, k ascends, and the stores run on the finished accumulators.
 *
 * A transposed A is read as it lies: the rows of a tile are neighbours in a panel. A transposed B is packed, one panel
 * of columns at a time. Windows of images are read as they lie, line by line: a tile does not go round a line's end.
 */

import type { GemmKernel, View } from '../../kernels.ts';
import { laneProgramOf } from '../lane-program.ts';
import { log2 } from '../log2.ts';
import type { Amount, Range } from './amount.ts';
import type { Code, Local } from './assembler.ts';
import { advance, countDown, repeat } from './loops.ts';
import { emitPack } from './pack.ts';
import type { Domain, Steps } from './pointers.ts';
import { collectPointers, matrixSteps } from './pointers.ts';
import { tapDistances } from './products.ts';
import type { Target } from './target.ts';
import { bufferOf, FLOAT_BYTES, panelBytes, rowBytes, VECTOR_LANES } from './target.ts';
import type { EmitTile, Gemm } from './tile.ts';
import { addressesOfA, createTiles, emitTile } from './tile.ts';
import { alongLine, linesOf, startAt, walkLines } from './walk.ts';

/** Rows of a tile by its vectors: eight sums or nine. */
const ROWS_OF: Readonly<Record<number, number>> = { 1: 8, 2: 4, 3: 3 };
const VECTORS_USUAL = 2;
/** Rows of a tile of a transposed A, which must lie in one panel. */
const ROWS_TRANSPOSED = 4;

/** How a panel's vectors are divided into tiles, and how many rows these have. */
interface Shape {
  readonly rows: number;
  readonly widths: readonly number[];
}

function shapeOf(vectors: number, aTransposed: boolean): Shape {
  const alone = !aTransposed && (vectors === 1 || vectors === 3);
  const widths: number[] = [];
  for (let left = vectors; left > 0; left -= VECTORS_USUAL) {
    widths.push(alone ? vectors : Math.min(left, VECTORS_USUAL));
    if (alone) break;
  }
  return { rows: aTransposed ? ROWS_TRANSPOSED : (ROWS_OF[widths[0] ?? 1] ?? 1), widths };
}

/** Computes a range of samples, or of rows where these are fixed. `written`: tiles are written where they stand. */
export function emitGemm(
  target: Target,
  code: Code,
  kernel: GemmKernel,
  range: Range,
  written: boolean,
): void {
  const { n } = kernel;
  if (typeof n !== 'number') throw new Error(`${kernel.label}: a product of a moving number of columns`);
  const g = gemmOf(target, kernel);
  const tile: EmitTile = written
    ? (at, rows, vectors, place) => at.scope(() => emitTile(g, at, rows, vectors, place))
    : createTiles(g);
  const pack = kernel.bTransposed ? emitPack(target, kernel) : null;
  const walk = createWalk(g, tile);
  const panelVectors = target.plan.panel / VECTOR_LANES;
  const vectors = Math.ceil(n / VECTOR_LANES);
  const panels = Math.floor(vectors / panelVectors);
  const number = code.local('i32');
  const rowsOfPanel = (count: number): void => {
    if (count === 0) return;
    if (pack !== null) {
      code.get(number);
      code.call(pack);
    }
    walk(code, number, range, count);
  };
  code.block(() => {
    // A thread without a share need not pack.
    range.from.push();
    range.to.push();
    code.op('i32.ge_u');
    code.brIf(0);
    code.i32(0);
    code.set(number);
    repeat(code, panels, () => {
      rowsOfPanel(panelVectors);
      advance(code, number, 1);
    });
    rowsOfPanel(vectors - panels * panelVectors);
  });
}

const domainOf = (kernel: GemmKernel): Domain => ({
  rows: kernel.m,
  grid: kernel.aTransposed ? undefined : kernel.windows?.grid,
});

function gemmOf(target: Target, kernel: GemmKernel): Gemm {
  const { windows, aTransposed } = kernel;
  if (aTransposed && kernel.bTransposed) throw new Error(`${kernel.label}: both operands are transposed`);
  const a = bufferOf(target, kernel.a);
  const program = laneProgramOf(kernel);
  const domain = domainOf(kernel);
  const down: Domain = { rows: kernel.k, grid: aTransposed ? windows?.grid : undefined };
  const taps = tapDistances(target, kernel, a);
  // Four neighbouring rows of a transposed A lie in one panel, unless a tap ends between them.
  const together = windows === undefined || windows.channels % ROWS_TRANSPOSED === 0;
  const aRowBytes = aTransposed
    ? together
      ? FLOAT_BYTES
      : null
    : matrixSteps(target, domain, kernel.a, windows?.view).x;
  return {
    target,
    kernel,
    program,
    a,
    pointers: collectPointers(target, domain, { ...kernel, columns: kernel.n, program }),
    aRowBytes,
    down: {
      domain: down,
      a: matrixSteps(target, down, kernel.a, windows?.view),
      b: matrixSteps(target, down, kernel.b),
    },
    taps: taps === null ? null : target.table(taps),
  };
}

/** Emits all rows of a range for the first vectors of one panel of columns. */
function createWalk(g: Gemm, tile: EmitTile) {
  const { target, kernel, pointers } = g;
  const { windows, aTransposed } = kernel;
  const view: View | undefined = windows?.view;
  const line = rowBytes(target);
  // A moves with the rows, or, transposed, is found anew from the row's number.
  const aSteps: Steps = aTransposed
    ? { x: 1, y: 1, sample: 1 }
    : matrixSteps(target, domainOf(kernel), kernel.a, view);
  const moving: Steps[] = [aSteps, ...pointers.all];
  const offsets = aTransposed && windows !== undefined ? target.table(rowOffsets(g)) : null;
  const aOffset = g.a.offset + (view?.offset ?? 0) * line;
  const b = bufferOf(target, kernel.b);

  return (code: Code, panel: Local, range: Range, vectors: number): void => {
    const bStart = code.local('i32');
    const bias = code.local('i32');
    const locals = moving.map(() => code.local('i32'));
    const [aLocal, ...outLocals] = locals;
    if (aLocal === undefined) throw new Error('A has a pointer');

    const pushPanel = (bytes: number): void => {
      code.get(panel);
      code.i32(bytes);
      code.op('i32.mul');
      code.op('i32.add');
    };
    code.getGlobal(kernel.bTransposed ? target.step.scratch : target.step.arena);
    if (!kernel.bTransposed) {
      code.i32(b.offset);
      code.op('i32.add');
      pushPanel(panelBytes(target, b));
    }
    code.set(bStart);
    code.getGlobal(target.step.arena);
    pushPanel(line);
    code.set(bias);
    const walking = { pointers: moving, locals };
    startAt(
      code,
      walking,
      (i) => {
        if (i === 0) {
          if (aTransposed) code.i32(0);
          else {
            code.getGlobal(target.step.arena);
            code.i32(aOffset);
            code.op('i32.add');
          }
          return;
        }
        const pointer = pointers.all[i - 1];
        if (pointer?.address === true) code.getGlobal(target.step.arena);
        else code.i32(0);
        if (pointer !== undefined && pointer.panel !== 0) pushPanel(pointer.panel);
      },
      range.from,
    );

    const pushRowOfA = (row: number): void => {
      if (!aTransposed) {
        code.get(aLocal);
        return;
      }
      code.getGlobal(target.step.arena);
      if (offsets === null) pushColumnOffset(g, code, aLocal);
      else {
        code.getGlobal(target.step.arena);
        code.get(aLocal);
        code.i32(FLOAT_BYTES);
        code.op('i32.mul');
        code.op('i32.add');
        code.memory('i32.load', offsets + row * FLOAT_BYTES);
      }
      code.op('i32.add');
      code.i32(aOffset);
      code.op('i32.add');
    };
    const shape = shapeOf(vectors, aTransposed);
    /** One tile of rows, all groups of columns. */
    const rowsOfTile = (rows: number): void => {
      const a = Array.from({ length: addressesOfA(g, rows) }, (_, i) => () => pushRowOfA(i));
      let column = 0;
      for (const width of shape.widths) {
        tile(code, rows, width, { a, b: bStart, bias, locals: outLocals, column });
        column += width * VECTOR_LANES;
      }
      alongLine(code, walking, rows);
    };
    const lines = linesOf(domainOf(kernel), moving);
    walkLines(code, lines, walking, range, (rows) => {
      // A transposed A's tiles begin where panels do, or a multiple of four columns after.
      if (rows.fixed !== null && !aTransposed) divideEvenly(code, rows.fixed, shape.rows, rowsOfTile);
      else divide(code, rows, shape.rows, rowsOfTile);
    });
  };
}

/** Divides a line into as few tiles as can be, of two sizes at most. */
function divideEvenly(code: Code, rows: number, rowsMax: number, tileOf: (rows: number) => void): void {
  if (rows === 0) return;
  const count = Math.ceil(rows / rowsMax);
  const small = Math.floor(rows / count);
  repeat(code, rows % count, () => tileOf(small + 1));
  repeat(code, count - (rows % count), () => tileOf(small));
}

/** Divides a line into tiles of the most rows, and what is left into halves of that. */
function divide(code: Code, rows: Amount, rowsMax: number, tileOf: (rows: number) => void): void {
  if (rows.fixed !== null) {
    repeat(code, Math.floor(rows.fixed / rowsMax), () => tileOf(rowsMax));
    for (let piece = rowsMax >> 1; piece >= 1; piece >>= 1) {
      if (((rows.fixed % rowsMax) & piece) !== 0) tileOf(piece);
    }
    return;
  }
  const left = code.local('i32');
  rows.push();
  code.set(left);
  countDown(code, left, rowsMax, () => tileOf(rowsMax));
  for (let piece = 2 ** log2(rowsMax - 1); piece >= 1; piece >>= 1) {
    code.block(() => {
      code.get(left);
      code.i32(piece);
      code.op('i32.and');
      code.op('i32.eqz');
      code.brIf(0);
      tileOf(piece);
    });
  }
}

/** Row m of a transposed A is a column of the buffer: pushes how far it is from the first. */
function pushColumnOffset({ target, a }: Gemm, code: Code, m: Local): void {
  const { panel } = target.plan;
  code.get(m);
  code.i32(panel);
  code.op('i32.div_u');
  code.i32(panelBytes(target, a));
  code.op('i32.mul');
  code.get(m);
  code.i32(panel);
  code.op('i32.rem_u');
  code.i32(FLOAT_BYTES);
  code.op('i32.mul');
  code.op('i32.add');
}

/** The same for row m of a transposed A that is read through windows: a tap's row and a channel's column. */
function rowOffsets({ target, kernel, a }: Gemm): number[] {
  const { windows } = kernel;
  if (windows === undefined) return [];
  const { panel } = target.plan;
  return windows.taps.flatMap(({ rowStep }) =>
    Array.from({ length: windows.channels }, (_, c) => {
      const column = Math.floor(c / panel) * panelBytes(target, a) + (c % panel) * FLOAT_BYTES;
      return rowStep * rowBytes(target) + column;
    }),
  );
}
