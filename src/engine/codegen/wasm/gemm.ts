/**
 * Matrix products. The inner kernel is a tile of 4 rows × 2 vectors: eight accumulators, one more and V8 begins to
 * spill. Products and sums are separate instructions, k ascends, and the stores run on the finished accumulators.
 *
 * A transposed A is read as it lies: four rows of the tile are neighbours in a panel. A transposed B is packed, one
 * panel of columns at a time, into a scratch that looks like a panel of the untransposed matrix.
 */
import type { BufferInfo, GemmKernel } from '../../kernels.ts';
import type { Code, Func, Local } from './assembler.ts';
import { advance, countUp, repeat } from './loops.ts';
import { emitPack } from './pack.ts';
import type { Target } from './target.ts';
import {
  bufferOf,
  FLOAT_BYTES,
  panelBytes,
  pushDim,
  rowBytes,
  VECTOR_BYTES,
  VECTOR_LANES,
} from './target.ts';
import type { Gemm } from './tile.ts';
import { emitTile } from './tile.ts';

const TILE_ROWS = 4;
const TILE_VECTORS = 2;
const GROUP_BYTES = TILE_VECTORS * VECTOR_BYTES;

/** The tile functions for one width of column group. */
type Tiles = Readonly<Record<'four' | 'one', Func>>;

export function emitGemm(target: Target, kernel: GemmKernel): Func {
  if (kernel.n === 'batch' || (kernel.k === 'batch' && !kernel.aTransposed)) {
    throw new Error(`${kernel.label}: a matrix cannot have a column per row of the batch`);
  }
  const g: Gemm = { target, kernel, a: bufferOf(target, kernel.a), n: kernel.n, k: kernel.k };
  const vectors = Math.ceil(g.n / VECTOR_LANES);
  const tilesOf = (width: number): Tiles => ({
    four: emitTile(g, TILE_ROWS, width),
    one: emitTile(g, 1, width),
  });
  const wide = vectors >= TILE_VECTORS ? tilesOf(TILE_VECTORS) : null;
  const narrow = vectors % TILE_VECTORS > 0 ? tilesOf(1) : null;
  const pack = kernel.bTransposed ? emitPack(target, kernel) : null;

  return target.module.func(0, (code) => {
    const b = bufferOf(target, kernel.b);
    const group = { b: code.local('i32'), out: code.local('i32'), col: code.local('i32') };
    const panelNumber = code.local('i32');
    const bBase = kernel.bTransposed ? target.scratch : b.offset;
    const outRows = kernel.m === 'batch' ? target.plan.batchSize : kernel.m;
    const panelVectors = target.plan.panel / VECTOR_LANES;
    const groupsPerPanel = panelVectors / TILE_VECTORS;

    const startPanel = (): void => {
      if (pack !== null) {
        code.get(panelNumber);
        code.call(pack);
        code.i32(bBase);
        code.set(group.b);
      }
    };
    const groups = (count: number, tiles: Tiles | null): void => {
      if (count === 0 || tiles === null) return;
      repeat(code, count, () => {
        emitRowLoop(g, code, group, tiles);
        advance(code, group.b, GROUP_BYTES);
        advance(code, group.out, GROUP_BYTES);
        advance(code, group.col, GROUP_BYTES);
      });
    };

    code.i32(bBase);
    code.set(group.b);
    code.i32(0);
    code.set(group.out);
    code.i32(0);
    code.set(group.col);
    code.i32(0);
    code.set(panelNumber);
    const panels = Math.floor(vectors / panelVectors);
    repeat(code, panels, () => {
      startPanel();
      groups(groupsPerPanel, wide);
      advance(code, group.b, panelBytes(target, b) - rowBytes(target));
      advance(code, group.out, (outRows - 1) * rowBytes(target));
      advance(code, panelNumber, 1);
    });
    const rest = vectors - panels * panelVectors;
    if (rest === 0) return;
    startPanel();
    groups(Math.floor(rest / TILE_VECTORS), wide);
    groups(rest % TILE_VECTORS, narrow);
  });
}

/** All rows of the output for one group of columns: tiles of four, then of one. */
function emitRowLoop(
  { target, kernel, a }: Gemm,
  code: Code,
  group: { readonly b: Local; readonly out: Local; readonly col: Local },
  tiles: Tiles,
): void {
  const m = code.local('i32');
  const out = code.local('i32');
  const tile = (func: Func, rows: number): void => {
    pushRowAddress(target, code, kernel, a, m);
    code.get(group.b);
    code.get(out);
    code.get(group.col);
    code.get(m);
    code.i32(FLOAT_BYTES);
    code.op('i32.mul');
    code.call(func);
    advance(code, out, rows * rowBytes(target));
  };
  code.get(group.out);
  code.set(out);
  code.i32(0);
  code.set(m);
  const wholeRows = (): void => {
    pushDim(target, code, kernel.m);
    code.i32(-TILE_ROWS);
    code.op('i32.and');
  };
  countUp(code, m, { by: TILE_ROWS, limit: wholeRows }, () => tile(tiles.four, TILE_ROWS));
  countUp(code, m, { by: 1, limit: () => pushDim(target, code, kernel.m) }, () => tile(tiles.one, 1));
}

/** Pushes the address of A's first element for row m of the output. */
function pushRowAddress(target: Target, code: Code, kernel: GemmKernel, a: BufferInfo, m: Local): void {
  const { panel } = target.plan;
  code.get(m);
  if (kernel.aTransposed) {
    // Row m is column m of the buffer.
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
  } else {
    code.i32(rowBytes(target));
    code.op('i32.mul');
  }
  code.i32(a.offset);
  code.op('i32.add');
}
