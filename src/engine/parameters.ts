/**
 * The trainable numbers outside the executor: logical row-major arrays, whatever the orientation and padding a plan
 * keeps them in. One `ParameterState` is all that training changes.
 */

import type { Executor, ParameterInfo, Plan } from './kernels.ts';
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
  return {
    values: plan.parameters.map(({ name, shape, fanIn, fanOut, initializer }) =>
      initializers
        .get(initializer.kind)
        .fill(
          { count: countOf(shape), fanIn, fanOut, random: stream(seed, 'initialize', name) },
          { ...initializer },
        ),
    ),
    slots: plan.parameters.map(({ slots, shape }) =>
      Object.fromEntries(Object.keys(slots).map((slot) => [slot, new Float32Array(countOf(shape))])),
    ),
  };
}

export function readState(executor: Executor, plan: Plan): ParameterState {
  return {
    values: plan.parameters.map((p) => toLogical(p, executor.read(p.buffer))),
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

export const allFinite = (values: readonly Float32Array[]): boolean =>
  values.every((array) => array.every((value) => Number.isFinite(value)));

export const countOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

function toLogical({ shape, transposed }: ParameterInfo, values: Float32Array): Float32Array {
  const [rows = 1, columns = 1] = shape;
  return transposed ? transpose(values, columns, rows) : values.slice();
}

function toBuffer({ shape, transposed }: ParameterInfo, values: Float32Array): Float32Array {
  const [rows = 1, columns = 1] = shape;
  return transposed ? transpose(values, rows, columns) : values;
}

/** The transpose of a row-major rows × columns matrix. */
function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c] ?? 0;
  }
  return out;
}
