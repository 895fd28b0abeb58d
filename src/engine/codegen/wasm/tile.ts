/**
 * One tile of a matrix product, as a function of its pointers: start from the bias, multiply and add for k ascending,
 * run the kernel's stores on the finished accumulators.
 */
import type { BufferInfo, GemmKernel } from '../../kernels.ts';
import type { LaneProgram } from '../../linearize.ts';
import type { Code, Func, Local } from './assembler.ts';
import type { Leaves } from './expressions.ts';
import { createLaneEmitter } from './expressions.ts';
import { advance, countUp, repeat } from './loops.ts';
import type { Domain, Place, Pointers, Steps } from './pointers.ts';
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
import { alongLine, linesOf, walkLines } from './walk.ts';

/** Products through windows of no more steps of k than this are written out whole. */
const UNROLL_TAPS = 40;

export interface Gemm {
  readonly target: Target;
  readonly kernel: GemmKernel;
  readonly program: LaneProgram;
  readonly a: BufferInfo;
  /** Of the output. */
  readonly pointers: Pointers;
  /** Bytes of A from one row of a tile to the next; null: each row has an address of its own. */
  readonly aRowBytes: number | null;
  /** How A's and B's addresses move along k, where that goes down their rows. */
  readonly down: { readonly domain: Domain; readonly a: Steps; readonly b: Steps };
  /** Table of the taps' distances in A and B (bytes, each to the next tap), or null without windows. */
  readonly taps: number | null;
}

/** Addresses of A that a tile needs. */
export const addressesOfA = (g: Gemm, rows: number): number => (g.aRowBytes === null ? rows : 1);

/** A function of A's addresses, B's, the bias's, and the output's pointers. */
export function emitTile(g: Gemm, rows: number, vectors: number): Func {
  const { target, kernel } = g;
  const aCount = addressesOfA(g, rows);
  return target.module.func(aCount + 2 + g.pointers.all.length, (code) => {
    const a = code.parameters.slice(0, aCount);
    const [b, bias, ...locals] = code.parameters.slice(aCount);
    if (b === undefined || bias === undefined) throw new Error('a tile takes addresses');
    const acc = Array.from({ length: rows }, () => Array.from({ length: vectors }, () => code.local('v128')));
    for (const line of acc) {
      for (const [j, sum] of line.entries()) {
        if (kernel.init === null) code.v128([0, 0, 0, 0]);
        else {
          code.get(bias);
          code.memory('v128.load', bufferOf(target, kernel.init).offset + j * VECTOR_BYTES);
        }
        code.set(sum);
      }
    }
    const right = Array.from({ length: vectors }, () => code.local('v128'));
    const left = code.local('v128');
    /** One step of k, at constant distances from the addresses. */
    const multiply = (aBytes: number, bBytes: number): void => {
      for (const [j, v] of right.entries()) {
        code.get(b);
        code.memory('v128.load', bBytes + j * VECTOR_BYTES);
        code.set(v);
      }
      for (const [i, line] of acc.entries()) {
        code.get(a[g.aRowBytes === null ? i : 0] ?? b);
        code.memory('v128.load32_splat', aBytes + i * (g.aRowBytes ?? 0));
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
    if (kernel.aTransposed) emitDownRows(g, code, a, b, multiply);
    else if (kernel.windows !== undefined) emitWindows(g, code, a, b, multiply);
    else if (typeof kernel.k === 'number') emitAlongRow(g, code, a, b, kernel.k, multiply);
    else throw new Error(`${kernel.label}: columns of a moving number`);
    emitStores(g, code, acc, locals);
  });
}

type Multiply = (aBytes: number, bBytes: number) => void;

/** k runs down the rows of both buffers. */
function emitDownRows(g: Gemm, code: Code, a: readonly Local[], b: Local, multiply: Multiply): void {
  const { domain } = g.down;
  const pointers = [...a.map(() => g.down.a), g.down.b];
  const locals = [...a, b];
  const step = (): void => {
    multiply(0, 0);
    alongLine(code, pointers, locals, 1);
  };
  const range = { from: code.local('i32'), to: code.local('i32') };
  pushDim(g.target, code, typeof domain.rows === 'number' ? domain.rows : 'batch');
  code.set(range.to);
  walkLines(code, linesOf(domain, pointers), { pointers, locals }, range, ({ fixed, push }) => {
    if (fixed !== null) repeat(code, fixed, step);
    else countUp(code, code.local('i32'), { from: 0, by: 1, limit: push }, step);
  });
}

/** k runs along the row of A, panel by panel, and down the rows of B; both addresses end where they began plus that. */
function emitAlongRow(
  g: Gemm,
  code: Code,
  a: readonly Local[],
  b: Local,
  columns: number,
  multiply: Multiply,
): void {
  const { target } = g;
  const { panel } = target.plan;
  const bStride = rowBytes(target);
  // One step a turn: written out in a row, V8 loads for all of them first and has to spill what it loaded.
  const step = (): void => {
    multiply(0, 0);
    for (const local of a) advance(code, local, FLOAT_BYTES);
    advance(code, b, bStride);
  };
  const panels = Math.floor(columns / panel);
  repeat(code, panels, () => {
    repeat(code, panel, step);
    for (const local of a) advance(code, local, panelBytes(target, g.a) - rowBytes(target));
  });
  repeat(code, columns - panels * panel, step);
}

/** k runs through the taps, and through the channels of each. */
function emitWindows(g: Gemm, code: Code, a: readonly Local[], b: Local, multiply: Multiply): void {
  const { target, kernel } = g;
  const { windows } = kernel;
  if (windows === undefined || g.taps === null) throw new Error('unreachable: called with windows');
  const { channels, taps } = windows;
  const { panel } = target.plan;
  const line = rowBytes(target);
  if (taps.length * channels <= UNROLL_TAPS) {
    // Constant distances are not negative.
    const lowest = Math.min(0, ...taps.map((t) => t.rowStep));
    for (const local of a) advance(code, local, lowest * line);
    for (const [t, { rowStep, block }] of taps.entries()) {
      const firstRow = kernel.bTransposed ? t * channels : block * channels;
      for (let c = 0; c < channels; c++) {
        const column = Math.floor(c / panel) * panelBytes(target, g.a) + (c % panel) * FLOAT_BYTES;
        // A branch that is never taken: V8 does not load for one step among the products of another.
        code.block(() => {
          code.get(b);
          code.op('i32.eqz');
          code.brIf(0);
          multiply((rowStep - lowest) * line + column, (firstRow + c) * line);
        });
      }
    }
    return;
  }
  const table = code.local('i32');
  code.getGlobal(target.step.arena);
  code.set(table);
  const move = (local: Local, bytes: number): void => {
    code.get(local);
    code.get(table);
    code.memory('i32.load', bytes);
    code.op('i32.add');
    code.set(local);
  };
  repeat(code, taps.length, () => {
    for (const local of a) move(local, g.taps ?? 0);
    move(b, (g.taps ?? 0) + 4);
    emitAlongRow(g, code, a, b, channels, multiply);
    advance(code, table, 8);
  });
}

/** What to add to the addresses of A and B before each tap, after the channels of the tap before. */
export function tapDistances(target: Target, kernel: GemmKernel, a: BufferInfo): number[] {
  const { windows } = kernel;
  if (windows === undefined) return [];
  const { channels, taps } = windows;
  const line = rowBytes(target);
  const { panel } = target.plan;
  const walked = Math.floor(channels / panel) * panelBytes(target, a) + (channels % panel) * FLOAT_BYTES;
  return taps.flatMap(({ rowStep, block }, t) => {
    const before = taps[t - 1];
    const aBytes = (rowStep - (before?.rowStep ?? 0)) * line - (before === undefined ? 0 : walked);
    // A packed B has its taps in order.
    const bRows = kernel.bTransposed ? 0 : (block - (before === undefined ? 0 : before.block + 1)) * channels;
    return [aBytes, bRows * line];
  });
}

/** The kernel's stores, for each vector of the tile. All its values are computed before any is stored. */
function emitStores(
  { kernel, program, pointers }: Gemm,
  code: Code,
  acc: readonly (readonly Local[])[],
  locals: readonly Local[],
): void {
  const values = kernel.stores.map(() => code.local('v128'));
  const leaves = (sum: Local, place: Place): Leaves => ({
    input: (n) => {
      const name = program.inputs[n]?.name;
      if (name === 'acc') {
        code.get(sum);
        return;
      }
      const source = kernel.bindings.find((b) => b.name === name)?.source;
      if (source === undefined) throw new Error(`${kernel.label}: ${name} is not bound`);
      pointers.load(code, source, place);
    },
    index: (axis) => pointers.index(code, axis, place),
  });
  const first = acc[0]?.[0];
  if (first === undefined) throw new Error('a tile has accumulators');
  const outer = createLaneEmitter(code, program, leaves(first, { locals, row: 0, column: 0 }));
  outer.settle(['scalar']);
  for (const [row, line] of acc.entries()) {
    for (const [j, sum] of line.entries()) {
      const place: Place = { locals, row, column: j * VECTOR_LANES };
      const emitter = outer.inner(leaves(sum, place));
      for (const [s, value] of values.entries()) {
        emitter.push(program.results[s] ?? -1);
        code.set(value);
      }
      for (const [s, { target: to }] of kernel.stores.entries()) {
        if (to.to === 'stepOutput') throw new Error('a product stores to matrices');
        const { local, bytes } = pointers.element(to.buffer, to.view, place);
        code.get(local);
        code.get(values[s] ?? sum);
        code.memory('v128.store', bytes);
      }
    }
  }
}
