/** Reductions of map kernels: 16 accumulating lanes as four vectors, and how partial blocks are stored. */
import type { ReduceFn } from '../../expr.ts';
import type { Store } from '../../kernels.ts';
import type { Code, Local } from './assembler.ts';
import type { Target } from './target.ts';
import { bufferOf, FLOAT_BYTES, VECTOR_BYTES } from './target.ts';

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

/** Which elements of a block exist: pushes the mask of a vector. Null: all of them. */
export interface PartialBlock {
  readonly push: (vector: number) => void;
  /** What does not exist in this step may exist in others and is left alone; padding is stored as zero. */
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
  if (mask !== null) {
    // Absent columns leave their lane untouched.
    code.get(acc);
    mask.push(vector);
    code.op('v128.bitselect');
  }
  code.set(acc);
}

/** Joins lanes l and l + 8, then l + 4, l + 2, l + 1; stores lane 0. */
export function storeRow(target: Target, code: Code, row: Local, { store, fn, lanes }: Reduction): void {
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
  if (store.target.to === 'stepOutput') code.getGlobal(target.step.outputs);
  else code.get(row);
  code.get(a);
  code.first();
  const offset =
    store.target.to === 'stepOutput'
      ? store.target.slot * FLOAT_BYTES
      : bufferOf(target, store.target.buffer).offset;
  code.memory('f32.store', offset);
}

/** Stores one value per column of the block. */
export function storeColumns(
  target: Target,
  code: Code,
  col: Local,
  { store, lanes }: Reduction,
  mask: Mask,
): void {
  if (store.target.to === 'stepOutput') throw new Error('a step output is reduced along a row');
  const { offset } = bufferOf(target, store.target.buffer);
  for (const [vector, lane] of lanes.entries()) {
    storeMasked(code, { address: col, offset }, lane, vector, mask);
  }
}

/** Stores a vector at an address; elements that do not exist become zero or stay as they are. */
export function storeMasked(
  code: Code,
  at: { readonly address: Local; readonly offset: number },
  value: Local,
  vector: number,
  mask: Mask,
): void {
  const offset = at.offset + vector * VECTOR_BYTES;
  code.get(at.address);
  code.get(value);
  if (mask?.moving === true) {
    code.get(at.address);
    code.memory('v128.load', offset);
    mask.push(vector);
    code.op('v128.bitselect');
  } else if (mask !== null) {
    mask.push(vector);
    code.op('v128.and');
  }
  code.memory('v128.store', offset);
}
