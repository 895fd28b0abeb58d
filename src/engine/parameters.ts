/**
 * The trainable numbers outside the executor: logical row-major arrays, whatever the orientation and padding a plan
 * keeps them in. One `ParameterState` is all that training changes.
 */

import type { BufferId, Executor, Filled, ParameterInfo, Plan } from './kernels.ts';
import { initializers } from './kinds/initializers/registry.ts';
import { stream } from './random.ts';

export interface ParameterState {
  /** One array per parameter, in plan order. */
  readonly values: readonly Float32Array[];
  /** Per parameter, its optimiser slots by name. */
  readonly slots: readonly Readonly<Record<string, Float32Array>>[];
}

/** Initial values, each parameter from a random stream of its own; slots are zero. */
export function initialState(plan: Plan, seed: number): ParameterState {
  const values = plan.parameters.map(({ name, shape, fanIn, fanOut, initializer }) =>
    initializers
      .get(initializer.kind)
      .fill(
        { count: countOf(shape), fanIn, fanOut, random: stream(seed, 'initialize', name) },
        { ...initializer },
      ),
  );
  return withoutMemory(plan, values);
}

/** The state of an optimiser that has not seen these values yet: its slots are zero. */
export function withoutMemory(plan: Plan, values: readonly Float32Array[]): ParameterState {
  const slots = plan.parameters.map(({ slots, shape }) =>
    Object.fromEntries(Object.keys(slots).map((slot) => [slot, new Float32Array(countOf(shape))])),
  );
  return { values, slots };
}

export function readValues(executor: Executor, plan: Plan): readonly Float32Array[] {
  return plan.parameters.map((p) => toLogical(p, executor.read(p.buffer)));
}

/** Reads a parameter, or a slot of it, into memory of its size. */
export type BufferReader = (p: ParameterInfo, buffer: BufferId, out: Float32Array, filled?: Filled) => void;

/** It takes no new memory but once. */
export function createBufferReader(executor: Executor, plan: Plan): BufferReader {
  const turnedByHand = new Set(plan.parameters.filter((p) => p.transposed && sizesOf(p).taps > 1));
  const scratch = new Float32Array(Math.max(0, ...[...turnedByHand].map(({ shape }) => countOf(shape))));
  return (p, buffer, out, filled) => {
    if (!p.transposed) executor.read(buffer, out);
    else if (turnedByHand.has(p)) toLogical(p, executor.read(buffer, scratch.subarray(0, out.length)), out);
    else executor.readTransposed(buffer, out, filled);
  };
}

/** Follows the values after each epoch while they are read, all parameters one after another in plan order. */
export interface ValuesFollower {
  /** Memory for so many. */
  allocate(count: number): Float32Array;
  /** These are read next. */
  begin(values: Float32Array): void;
  readonly filled: Filled;
}

/**
 * Reads the values after each epoch without taking new memory: what it gave the time before last is written over.
 * Megabytes of garbage an epoch would cost as much time as reading them.
 */
export function createValuesReader(
  plan: Plan,
  read: BufferReader,
  follower?: ValuesFollower,
): () => readonly Float32Array[] {
  const counts = plan.parameters.map(({ shape }) => countOf(shape));
  const starts = counts.map((_, i) => counts.slice(0, i).reduce((sum, n) => sum + n, 0));
  const total = counts.reduce((sum, n) => sum + n, 0);
  const take = () => {
    const all = follower?.allocate(total) ?? new Float32Array(total);
    return { all, values: starts.map((start, i) => all.subarray(start, start + (counts[i] ?? 0))) };
  };
  let older = take();
  let newer = take();
  return () => {
    [older, newer] = [newer, older];
    follower?.begin(newer.all);
    for (const [i, out] of newer.values.entries()) {
      const [p, start] = [plan.parameters[i], starts[i] ?? 0];
      if (p !== undefined) read(p, p.buffer, out, follower && ((count) => follower.filled(start + count)));
      follower?.filled(start + out.length);
    }
    return newer.values;
  };
}

export function readState(executor: Executor, plan: Plan): ParameterState {
  return {
    values: readValues(executor, plan),
    slots: plan.parameters.map((p) =>
      Object.fromEntries(
        Object.entries(p.slots).map(([slot, id]) => [slot, toLogical(p, executor.read(id))]),
      ),
    ),
  };
}

export function writeState(executor: Executor, plan: Plan, state: ParameterState): void {
  writeValues(executor, plan, state.values);
  for (const [i, p] of plan.parameters.entries()) {
    for (const [slot, id] of Object.entries(p.slots)) {
      const values = state.slots[i]?.[slot];
      if (values === undefined) throw new Error(`${p.name}: no slot ${slot}`);
      executor.write(id, toBuffer(p, values));
    }
  }
}

/** The parameters alone, as a model holds them. */
export function writeValues(executor: Executor, plan: Plan, values: readonly Float32Array[]): void {
  for (const [i, p] of plan.parameters.entries()) {
    const given = values[i];
    if (given === undefined) throw new Error(`${p.name}: no values`);
    executor.write(p.buffer, toBuffer(p, given));
  }
}

export function allFinite(values: readonly Float32Array[]): boolean {
  for (const array of values) {
    // Zero times a number is zero unless that is infinite or none. Four sums, none of which waits for another: to look
    // at each of millions of weights by itself would take as long as some training steps.
    let [a, b, c, d] = [0, 0, 0, 0];
    const whole = array.length & ~3;
    for (let i = 0; i < whole; i += 4) {
      a += (array[i] ?? 0) * 0;
      b += (array[i + 1] ?? 0) * 0;
      c += (array[i + 2] ?? 0) * 0;
      d += (array[i + 3] ?? 0) * 0;
    }
    for (let i = whole; i < array.length; i++) a += (array[i] ?? 0) * 0;
    if (a + b + c + d !== 0) return false;
  }
  return true;
}

export const countOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

/** [units, inputs, taps] in logical order; in a buffer tap by tap, input by input, unit by unit. */
function sizesOf({ shape }: ParameterInfo) {
  const [units = 1, inputs = 1, ...window] = shape;
  return { units, inputs, taps: countOf(window) };
}

function toLogical(p: ParameterInfo, values: Float32Array, out?: Float32Array): Float32Array {
  if (!p.transposed) return values;
  const { units, inputs, taps } = sizesOf(p);
  // From taps × inputs × units by way of inputs × taps, both with the units last.
  const byInput = taps === 1 ? values : exchanged(values, taps, inputs, units);
  return transposed(byInput, inputs * taps, units, out);
}

function toBuffer(p: ParameterInfo, values: Float32Array): Float32Array {
  if (!p.transposed) return values;
  const { units, inputs, taps } = sizesOf(p);
  const byInput = transposed(values, units, inputs * taps);
  return taps === 1 ? byInput : exchanged(byInput, inputs, taps, units);
}

/** Elements of a side of the squares that a transposition goes by, so that both of its sides stay in the cache. */
const SQUARE = 32;

/** rows × columns to columns × rows. */
function transposed(
  values: Float32Array,
  rows: number,
  columns: number,
  out: Float32Array = new Float32Array(values.length),
): Float32Array {
  for (let top = 0; top < rows; top += SQUARE) {
    const bottom = Math.min(top + SQUARE, rows);
    for (let left = 0; left < columns; left += SQUARE) {
      const right = Math.min(left + SQUARE, columns);
      for (let c = left; c < right; c++) {
        for (let r = top; r < bottom; r++) out[c * rows + r] = values[r * columns + c] ?? 0;
      }
    }
  }
  return out;
}

/** first × second × length to second × first × length. */
function exchanged(values: Float32Array, first: number, second: number, length: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let f = 0; f < first; f++) {
    for (let s = 0; s < second; s++) {
      const from = (f * second + s) * length;
      out.set(values.subarray(from, from + length), (s * first + f) * length);
    }
  }
  return out;
}
