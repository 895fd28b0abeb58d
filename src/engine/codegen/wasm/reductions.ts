/** Reductions of map kernels: 16 accumulating lanes as four vectors, and how partial blocks are stored. */
import type { ReduceFn } from '../../expr.ts';
import type { Store } from '../../kernels.ts';
import type { Code, Local } from './assembler.ts';
import type { Place, Pointers } from './pointers.ts';
import type { Target } from './target.ts';
import { FLOAT_BYTES, VECTOR_LANES } from './target.ts';

const NEGATIVE_INFINITY_BITS = 0xff800000;

const joinOps = { sum: 'f32x4.add', max: 'f32x4.pmax' } as const;

/** Pushes join(acc, value): acc + value, or `acc > value ? acc : value`, which is pmax(value, acc). */
function pushJoin(code: Code, fn: ReduceFn, acc: () => void, value: () => void): void {
  if (fn === 'sum') {
    acc();
    value();
  } else {
    value();
    acc();
  }
  code.op(joinOps[fn]);
}

/** Which elements of a block exist. Null: all of them. */
export interface PartialBlock {
  /** Vectors that have any. */
  readonly vectors: number;
  /** Pushes the mask of a vector. */
  readonly push: (code: Code, vector: number) => void;
  readonly isWhole: (vector: number) => boolean;
  /** What does not exist in this step may exist in others and is left alone; padding may be overwritten. */
  readonly moving: boolean;
}
export type Mask = PartialBlock | null;

export interface Reduction {
  readonly store: Store;
  readonly fn: ReduceFn;
  readonly lanes: readonly Local[];
}

export function resetReductions(code: Code, reductions: readonly (Reduction | null)[]): void {
  for (const reduction of reductions) {
    if (reduction === null) continue;
    const bits = reduction.fn === 'sum' ? 0 : NEGATIVE_INFINITY_BITS;
    for (const lane of reduction.lanes) {
      code.v128([bits, bits, bits, bits]);
      code.set(lane);
    }
  }
}

/** Joins a vector's values to its lanes. */
export function accumulate(code: Code, reduction: Reduction, vector: number, value: Local, mask: Mask): void {
  const acc = reduction.lanes[vector];
  if (acc === undefined) throw new Error('an accumulator is missing');
  pushJoin(
    code,
    reduction.fn,
    () => code.get(acc),
    () => code.get(value),
  );
  if (mask !== null && !mask.isWhole(vector)) {
    // Absent columns leave their lane untouched.
    code.get(acc);
    mask.push(code, vector);
    code.op('v128.bitselect');
  }
  code.set(acc);
}

/** Joins lanes l and l + 8, then l + 4, l + 2, l + 1; stores lane 0. */
export function storeRow(
  target: Target,
  code: Code,
  { store, fn, lanes }: Reduction,
  pointers: Pointers,
  at: Place,
): void {
  const [a, b, c, d] = lanes;
  if (a === undefined || b === undefined || c === undefined || d === undefined) throw new Error('no lanes');
  const join = (into: Local, other: Local): void => {
    pushJoin(
      code,
      fn,
      () => code.get(into),
      () => code.get(other),
    );
    code.set(into);
  };
  const joinShifted = (lanesOfA: readonly [number, number, number, number]): void => {
    code.get(a);
    code.get(a);
    code.shuffle(lanesOfA);
    code.set(b);
    join(a, b);
  };
  join(a, c);
  join(b, d);
  join(a, b);
  joinShifted([2, 3, 2, 3]);
  joinShifted([1, 1, 1, 1]);
  if (store.target.to === 'stepOutput') {
    code.getGlobal(target.step.outputs);
    code.get(a);
    code.first();
    code.memory('f32.store', store.target.slot * FLOAT_BYTES);
    return;
  }
  const { local, bytes } = pointers.row(store.target.buffer, at);
  code.get(local);
  code.get(a);
  code.first();
  code.memory('f32.store', bytes);
}

/** Stores one value per column of the block. */
export function storeColumns(
  code: Code,
  { store, lanes }: Reduction,
  pointers: Pointers,
  at: Place,
  mask: Mask,
): void {
  if (store.target.to === 'stepOutput') throw new Error('a step output is reduced along a row');
  for (const [vector, lane] of lanes.entries()) {
    if (mask !== null && vector >= mask.vectors) continue;
    const place = { ...at, column: at.column + vector * VECTOR_LANES };
    storeMasked(code, pointers.element(store.target.buffer, undefined, place), lane, vector, mask);
  }
}

/** Stores a vector; elements that may exist in other steps stay as they are. */
export function storeMasked(
  code: Code,
  { local, bytes }: { readonly local: Local; readonly bytes: number },
  value: Local,
  vector: number,
  mask: Mask,
): void {
  code.get(local);
  code.get(value);
  if (mask?.moving === true) {
    code.get(local);
    code.memory('v128.load', bytes);
    mask.push(code, vector);
    code.op('v128.bitselect');
  }
  code.memory('v128.store', bytes);
}
