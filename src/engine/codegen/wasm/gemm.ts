/**
 * Matrix products. The inner kernel is a tile of 4 rows × 2 vectors: eight accumulators, one more and V8 begins to
 * spill. Products and sums are separate instructions, k ascends, and the stores run on the finished accumulators.
 *
 * A transposed A is read as it lies: four rows of the tile are neighbours in a panel. A transposed B is packed, one
 * panel of columns at a time, into a scratch that looks like a panel of the untransposed matrix.
 */
import type { BufferInfo, GemmKernel } from '../../kernels.ts';
import { linearize } from '../../linearize.ts';
import type { Code, Func, Local } from './assembler.ts';
import { createLaneEmitter } from './expressions.ts';
import { advance, countUp, repeat } from './loops.ts';
import { emitPack } from './pack.ts';
import type { Place, Target } from './target.ts';
import {
  bufferOf,
  FLOAT_BYTES,
  panelBytes,
  pushDim,
  pushSource,
  rowBytes,
  VECTOR_BYTES,
  VECTOR_LANES,
} from './target.ts';

const TILE_ROWS = 4;
const TILE_VECTORS = 2;
const GROUP_BYTES = TILE_VECTORS * VECTOR_BYTES;
/** Steps of k written out in a row. */
const UNROLL_STATIC = 16;
const UNROLL_DYNAMIC = 4;

interface Gemm {
  readonly target: Target;
  readonly kernel: GemmKernel;
  readonly a: BufferInfo;
  /** Columns of the output. */
  readonly n: number;
  readonly k: number | 'batch';
}

/** Addresses in A and in B's group of columns; byte offsets of the tile in the output's layout and in vectors. */
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

function emitTile(g: Gemm, rows: number, vectors: number): Func {
  const { target, kernel } = g;
  return target.module.func(5, (code) => {
    const [a, b, out, col, row] = code.parameters;
    if (a === undefined || b === undefined || out === undefined || col === undefined || row === undefined) {
      throw new Error('a tile takes five addresses');
    }
    const acc = Array.from({ length: rows }, () => Array.from({ length: vectors }, () => code.local('v128')));
    for (const line of acc) {
      for (const [j, sum] of line.entries()) {
        if (kernel.init === null) code.v128([0, 0, 0, 0]);
        else {
          code.get(col);
          code.memory('v128.load', bufferOf(target, kernel.init).offset + j * VECTOR_BYTES);
        }
        code.set(sum);
      }
    }
    const right = Array.from({ length: vectors }, () => code.local('v128'));
    const left = code.local('v128');
    /** One step of k, at constant distances from the addresses. */
    const multiply = (aBytes: number, bBytes: number): void => {
      const aRowBytes = kernel.aTransposed ? FLOAT_BYTES : rowBytes(target);
      for (const [j, v] of right.entries()) {
        code.get(b);
        code.memory('v128.load', bBytes + j * VECTOR_BYTES);
        code.set(v);
      }
      for (const [i, line] of acc.entries()) {
        code.get(a);
        code.memory('v128.load32_splat', aBytes + i * aRowBytes);
        code.set(left);
        for (const [j, sum] of line.entries()) {
          code.get(sum);
          code.get(left);
          code.get(right[j] ?? left);
          code.op('f32x4.mul');
          code.op('f32x4.add');
          code.set(sum);
        }
      }
    };
    if (kernel.aTransposed) emitDownColumns(g, code, a, b, multiply);
    else emitAlongRows(g, code, a, b, multiply);
    emitStores(g, code, acc, { full: out, col, row });
  });
}

type Multiply = (aBytes: number, bBytes: number) => void;

/** k runs down the rows of both buffers. */
function emitDownColumns(g: Gemm, code: Code, a: Local, b: Local, multiply: Multiply): void {
  const stride = rowBytes(g.target);
  const k = code.local('i32');
  const steps = (count: number): void => {
    for (let i = 0; i < count; i++) multiply(i * stride, i * stride);
    advance(code, a, count * stride);
    advance(code, b, count * stride);
  };
  code.i32(0);
  code.set(k);
  const whole = (): void => {
    pushDim(g.target, code, g.k);
    code.i32(-UNROLL_DYNAMIC);
    code.op('i32.and');
  };
  countUp(code, k, { by: UNROLL_DYNAMIC, limit: whole }, () => steps(UNROLL_DYNAMIC));
  countUp(code, k, { by: 1, limit: () => pushDim(g.target, code, g.k) }, () => steps(1));
}

/** k runs along the rows of A, panel by panel, and down the rows of B. */
function emitAlongRows(g: Gemm, code: Code, a: Local, b: Local, multiply: Multiply): void {
  const { target } = g;
  if (g.k === 'batch') throw new Error('unreachable: checked by emitGemm');
  const { panel } = target.plan;
  const bStride = rowBytes(target);
  const steps = (count: number): void => {
    for (let i = 0; i < count; i++) multiply(i * FLOAT_BYTES, i * bStride);
  };
  const block = (): void => {
    steps(UNROLL_STATIC);
    advance(code, a, UNROLL_STATIC * FLOAT_BYTES);
    advance(code, b, UNROLL_STATIC * bStride);
  };
  const panels = Math.floor(g.k / panel);
  repeat(code, panels, () => {
    repeat(code, panel / UNROLL_STATIC, block);
    advance(code, a, panelBytes(target, g.a) - rowBytes(target));
  });
  const rest = g.k - panels * panel;
  repeat(code, Math.floor(rest / UNROLL_STATIC), block);
  steps(rest % UNROLL_STATIC);
}

/** The kernel's stores, for each vector of the tile. All its values are computed before any is stored. */
function emitStores(
  { target, kernel }: Gemm,
  code: Code,
  acc: readonly (readonly Local[])[],
  base: Pick<Place, 'full' | 'col' | 'row'>,
): void {
  const program = linearize(kernel.stores.map((s) => s.expr));
  const values = kernel.stores.map(() => code.local('v128'));
  const pushInput = (n: number, sum: Local, place: Place): void => {
    const name = program.inputs[n]?.name;
    if (name === 'acc') {
      code.get(sum);
      return;
    }
    const source = kernel.bindings.find((b) => b.name === name)?.source;
    if (source === undefined) throw new Error(`${kernel.label}: ${name} is not bound`);
    pushSource(target, code, source, place);
  };
  const placeOf = (i: number, j: number): Place => ({
    ...base,
    fullBytes: i * rowBytes(target) + j * VECTOR_BYTES,
    colBytes: j * VECTOR_BYTES,
    rowBytes: i * FLOAT_BYTES,
  });
  const first = acc[0]?.[0];
  if (first === undefined) throw new Error('a tile has accumulators');
  const outer = createLaneEmitter(code, program, (n) => pushInput(n, first, placeOf(0, 0)));
  outer.settle(['scalar']);
  for (const [i, line] of acc.entries()) {
    for (const [j, sum] of line.entries()) {
      const place = placeOf(i, j);
      const emitter = outer.inner((n) => pushInput(n, sum, place));
      for (const [s, value] of values.entries()) {
        emitter.push(program.results[s] ?? -1);
        code.set(value);
      }
      for (const [s, { target: to }] of kernel.stores.entries()) {
        if (to.to === 'stepOutput') throw new Error('a product stores to matrices');
        code.get(base.full);
        code.get(values[s] ?? sum);
        code.memory('v128.store', bufferOf(target, to.buffer).offset + place.fullBytes);
      }
    }
  }
}
