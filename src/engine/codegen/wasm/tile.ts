/**
 * One tile of a matrix product, where it stands or as a function of its pointers: start from the bias, multiply and add for k ascending,
 * run the kernel's stores on the finished accumulators.
 */
import type { BufferInfo, GemmKernel, Store } from '../../kernels.ts';
import type { LaneProgram } from '../../linearize.ts';
import type { Code, Func, Local } from './assembler.ts';
import type { Leaves } from './expressions.ts';
import { createLaneEmitter } from './expressions.ts';
import { inBlocks, VECTORS_PER_BLOCK } from './loops.ts';
import type { Domain, Place, Pointers, Steps } from './pointers.ts';
import { emitProducts } from './products.ts';
import type { Target } from './target.ts';
import { bufferOf, FLOAT_BYTES, VECTOR_BYTES, VECTOR_LANES } from './target.ts';

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

/** Where a tile is. Nothing of it is changed. */
export interface TilePlace {
  /** Push the addresses of A. */
  readonly a: readonly (() => void)[];
  readonly b: Local;
  readonly bias: Local;
  /** The output's pointers. */
  readonly locals: readonly Local[];
  /** The tile's first column, counted from where B, the bias and the pointers are. */
  readonly column: number;
}

export type EmitTile = (code: Code, rows: number, vectors: number, place: TilePlace) => void;

/** Tiles as functions, one for each size. */
export function createTiles(g: Gemm): EmitTile {
  const funcs = new Map<string, Func>();
  const sized = (rows: number, vectors: number): Func => {
    const key = `${rows} ${vectors}`;
    const func = funcs.get(key) ?? emitTileFunction(g, rows, vectors);
    funcs.set(key, func);
    return func;
  };
  return (code, rows, vectors, { a, b, bias, locals, column }) => {
    const moved = (local: Local, bytes: number): void => {
      code.get(local);
      if (bytes === 0) return;
      code.i32(bytes);
      code.op('i32.add');
    };
    for (const push of a) push();
    moved(b, column * FLOAT_BYTES);
    moved(bias, column * FLOAT_BYTES);
    for (const [i, local] of locals.entries()) moved(local, column * (g.pointers.all[i]?.column ?? 0));
    code.call(sized(rows, vectors));
  };
}

/** A function of A's addresses, B's, the bias's, and the output's pointers. */
function emitTileFunction(g: Gemm, rows: number, vectors: number): Func {
  const aCount = addressesOfA(g, rows);
  return g.target.module.func(aCount + 2 + g.pointers.all.length, (code) => {
    const a = code.parameters.slice(0, aCount);
    const [b, bias, ...locals] = code.parameters.slice(aCount);
    if (b === undefined || bias === undefined) throw new Error('a tile takes addresses');
    emitTile(g, code, rows, vectors, {
      a: a.map((local) => () => code.get(local)),
      b,
      bias,
      locals,
      column: 0,
    });
  });
}

/** A tile where it stands. */
export function emitTile(g: Gemm, code: Code, rows: number, vectors: number, place: TilePlace): void {
  const { kernel } = g;
  const acc = Array.from({ length: rows }, () => Array.from({ length: vectors }, () => code.local('v128')));
  for (const line of acc) {
    for (const [j, sum] of line.entries()) {
      if (kernel.init === null) code.v128([0, 0, 0, 0]);
      else {
        code.get(place.bias);
        const bytes = place.column * FLOAT_BYTES + j * VECTOR_BYTES;
        code.memory('v128.load', bufferOf(g.target, kernel.init).offset + bytes);
      }
      code.set(sum);
    }
  }
  const copy = (push: () => void): Local => {
    const local = code.local('i32');
    push();
    code.set(local);
    return local;
  };
  const b = copy(() => {
    code.get(place.b);
    code.i32(place.column * FLOAT_BYTES);
    code.op('i32.add');
  });
  emitProducts(g, code, acc, place.a.map(copy), b);
  emitStores(g, code, acc, place);
}

/** The kernel's stores, for each vector of the tile. All its values are computed before any is stored. */
function emitStores(
  { kernel, program, pointers }: Gemm,
  code: Code,
  acc: readonly (readonly Local[])[],
  { locals, column }: TilePlace,
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
  const outer = createLaneEmitter(code, program, leaves(first, { locals, row: 0, column }));
  outer.settle(['scalar']);
  const addressOf = ({ target: to }: Store, place: Place) => {
    if (to.to === 'stepOutput') throw new Error('a product stores to matrices');
    return pointers.element(to.buffer, to.view, place);
  };
  const storeVector = (sum: Local, place: Place): void => {
    const emitter = outer.inner(leaves(sum, place));
    for (const [s, value] of values.entries()) {
      emitter.push(program.results[s] ?? -1);
      code.set(value);
    }
    for (const [s, store] of kernel.stores.entries()) {
      const { local, bytes } = addressOf(store, place);
      code.get(local);
      code.get(values[s] ?? sum);
      code.memory('v128.store', bytes);
    }
  };
  const [anyStore] = kernel.stores;
  if (anyStore === undefined) return;
  const address = addressOf(anyStore, { locals, row: 0, column }).local;
  inBlocks(code, address, (endBlock) => {
    for (const [row, line] of acc.entries()) {
      for (const [j, sum] of line.entries()) {
        const before = row * line.length + j;
        if (before > 0 && before % VECTORS_PER_BLOCK === 0) endBlock();
        storeVector(sum, { locals, row, column: column + j * VECTOR_LANES });
      }
    }
  });
}
