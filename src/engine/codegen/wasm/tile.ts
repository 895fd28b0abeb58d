/**
 * One tile of a matrix product, as a function of its addresses: start from the bias, multiply and add for k ascending,
 * run the kernel's stores on the finished accumulators.
 */
import type { BufferInfo, GemmKernel } from '../../kernels.ts';
import { linearize } from '../../linearize.ts';
import type { Code, Func, Local } from './assembler.ts';
import { createLaneEmitter } from './expressions.ts';
import { advance, countUp, repeat } from './loops.ts';
import type { Place, Target } from './target.ts';
import { bufferOf, FLOAT_BYTES, panelBytes, pushDim, pushSource, rowBytes, VECTOR_BYTES } from './target.ts';

/** Steps of k written out in a row. */
const UNROLL_STATIC = 16;
const UNROLL_DYNAMIC = 4;

export interface Gemm {
  readonly target: Target;
  readonly kernel: GemmKernel;
  readonly a: BufferInfo;
  /** Columns of the output. */
  readonly n: number;
  readonly k: number | 'batch';
}

/**
 * A function of five i32: the addresses of the tile's first row of A and of its columns of B, then the tile's byte
 * offset in matrices of the output's shape, in vectors along the columns, and in vectors along the rows.
 */
export function emitTile(g: Gemm, rows: number, vectors: number): Func {
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
