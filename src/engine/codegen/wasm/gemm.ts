/**
 * Matrix products. The inner kernel is a tile of 4 rows × 2 vectors: eight accumulators, one more and V8 begins to
 * spill. Products and sums are separate instructions, k ascends, and the stores run on the finished accumulators.
 *
 * A transposed A is read as it lies: the rows of a tile are neighbours in a panel. A transposed B is packed, one panel
 * of columns at a time. Windows of images are read as they lie, line by line: a tile does not go round a line's end.
 */
import type { GemmKernel, View } from '../../kernels.ts';
import type { Code, Func, Local } from './assembler.ts';
import { laneProgramOf } from './lane-program.ts';
import { advance, countUp, repeat } from './loops.ts';
import { emitPack } from './pack.ts';
import type { Domain, Steps } from './pointers.ts';
import { collectPointers, matrixSteps } from './pointers.ts';
import { tapDistances } from './products.ts';
import type { Target } from './target.ts';
import { bufferOf, FLOAT_BYTES, panelBytes, rowBytes, VECTOR_BYTES, VECTOR_LANES } from './target.ts';
import type { Gemm } from './tile.ts';
import { addressesOfA, emitTile } from './tile.ts';
import type { Line, Lines, Range } from './walk.ts';
import { alongLine, linesOf, startAt, walkLines } from './walk.ts';

const TILE_ROWS = 4;
const TILE_VECTORS = 2;

/** A function of a range of samples, or of rows where these are fixed. */
export function emitGemm(target: Target, kernel: GemmKernel): Func {
  const { n } = kernel;
  if (typeof n !== 'number') throw new Error(`${kernel.label}: a product of a moving number of columns`);
  const g = gemmOf(target, kernel);
  const tiles = new Map<string, Func>();
  const tile = (rows: number, vectors: number): Func => {
    const key = `${rows} ${vectors}`;
    const func = tiles.get(key) ?? emitTile(g, rows, vectors);
    tiles.set(key, func);
    return func;
  };
  const pack = kernel.bTransposed ? emitPack(target, kernel) : null;
  const walk = createWalk(g, tile);

  return target.module.func(2, (code) => {
    const [from, to] = code.parameters;
    if (from === undefined || to === undefined) throw new Error('a kernel takes a range');
    const { panel } = target.plan;
    const panelVectors = panel / VECTOR_LANES;
    const vectors = Math.ceil(n / VECTOR_LANES);
    const panels = Math.floor(vectors / panelVectors);
    const number = code.local('i32');
    code.block(() => {
      // A thread without a share need not pack.
      code.get(from);
      code.get(to);
      code.op('i32.ge_u');
      code.brIf(0);
      code.i32(0);
      code.set(number);
      const rowsOfPanel = (count: number): void => {
        if (count === 0) return;
        if (pack !== null) {
          code.get(number);
          code.call(pack);
        }
        walk(code, number, { from, to }, count);
      };
      repeat(code, panels, () => {
        rowsOfPanel(panelVectors);
        advance(code, number, 1);
      });
      rowsOfPanel(vectors - panels * panelVectors);
    });
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
  const together = windows === undefined || windows.channels % TILE_ROWS === 0;
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

type Tile = (rows: number, vectors: number) => Func;

/** Emits all rows of a range for the first vectors of one panel of columns. */
function createWalk(g: Gemm, tile: Tile) {
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
    startAt(
      code,
      moving,
      locals,
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
    /** One tile of rows, all groups of columns. */
    const rowsOfTile = (rows: number): void => {
      for (let first = 0; first < vectors; first += TILE_VECTORS) {
        const width = Math.min(TILE_VECTORS, vectors - first);
        for (let i = 0; i < addressesOfA(g, rows); i++) pushRowOfA(i);
        const shifted = (local: Local, by: number): void => {
          code.get(local);
          if (by === 0) return;
          code.i32(by);
          code.op('i32.add');
        };
        shifted(bStart, first * VECTOR_BYTES);
        shifted(bias, first * VECTOR_BYTES);
        for (const [i, local] of outLocals.entries()) {
          shifted(local, first * VECTOR_LANES * (pointers.all[i]?.column ?? 0));
        }
        code.call(tile(rows, width));
      }
      alongLine(code, moving, locals, rows);
    };
    const lines: Lines = linesOf(domainOf(kernel), moving);
    walkLines(code, lines, { pointers: moving, locals }, range, (of) => emitTiles(code, of, rowsOfTile));
  };
}

/** Divides a line into tiles: a known length evenly, any other into tiles of four and what is left. */
function emitTiles(code: Code, { fixed, push }: Line, tileOf: (rows: number) => void): void {
  if (fixed !== null) {
    const count = Math.ceil(fixed / TILE_ROWS);
    const small = Math.floor(fixed / count);
    repeat(code, fixed % count, () => tileOf(small + 1));
    repeat(code, count - (fixed % count), () => tileOf(small));
    return;
  }
  const m = code.local('i32');
  const whole = (): void => {
    push();
    code.i32(-TILE_ROWS);
    code.op('i32.and');
  };
  countUp(code, m, { from: 0, by: TILE_ROWS, limit: whole }, () => tileOf(TILE_ROWS));
  for (let rest = TILE_ROWS - 1; rest >= 1; rest--) {
    code.block(() => {
      push();
      code.i32(TILE_ROWS - 1);
      code.op('i32.and');
      code.i32(rest);
      code.op('i32.ne');
      code.brIf(0);
      tileOf(rest);
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
