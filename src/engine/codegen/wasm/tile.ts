/**
 * One tile of a matrix product, as a function of its pointers: start from the bias, multiply and add for k ascending,
 * run the kernel's stores on the finished accumulators.
 */
import type { BufferInfo, GemmKernel } from '../../kernels.ts';
import type { LaneProgram } from '../../linearize.ts';
import type { Code, Func, Local } from './assembler.ts';
import type { Leaves } from './expressions.ts';
import { createLaneEmitter } from './expressions.ts';
import type { Domain, Place, Pointers, Steps } from './pointers.ts';
import { emitProducts } from './products.ts';
import type { Target } from './target.ts';
import { bufferOf, VECTOR_BYTES, VECTOR_LANES } from './target.ts';

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
  /** Table of the taps' distances, see tapDistances; null where no loop goes through taps. */
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
    emitProducts(g, code, acc, a, b);
    emitStores(g, code, acc, locals);
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
