/** What a network with its current parameters makes of some rows: mean loss and metrics, or each row's output. */
import type { Executor, Plan } from './kernels.ts';
import { createStepRunner, type ShouldStop } from './steps.ts';

/** False if it was stopped, and nothing was written. */
export type Evaluate = (into: Record<string, number>, shouldStop: ShouldStop) => boolean;

/**
 * Writes the mean of the loss and of each metric over the rows, under the name that `nameOf` gives it. Without rows
 * there is nothing to write.
 */
export function createEvaluation(
  executor: Executor,
  plan: Plan,
  rows: Int32Array,
  nameOf: (name: string) => string,
): Evaluate {
  const { inputs, outputs } = plan.programs.evaluate;
  const names = outputs.map(nameOf);
  const run = createStepRunner({
    executor,
    plan,
    program: 'evaluate',
    dropLast: false,
    writeInputs: (out, at, _, n) => {
      for (let i = 0; i < inputs.length; i++) out[at + i] = 1 / n;
    },
  });
  return (into, shouldStop) => {
    const { finished, sums, rows: count } = run({ order: rows, step: 0, shouldStop });
    if (finished) writeMeans(into, names, sums, count);
    return finished;
  };
}

/** Sums by output slot → means by name. */
export function writeMeans(
  into: Record<string, number>,
  names: readonly string[],
  sums: Float64Array,
  rows: number,
): void {
  for (let slot = 0; slot < names.length && rows > 0; slot++) {
    into[names[slot] ?? ''] = (sums[slot] ?? Number.NaN) / rows;
  }
}

/** The prediction for each of the rows: rows.length × plan.outputCount. */
export function predictRows(executor: Executor, plan: Plan, rows: Int32Array): Float32Array {
  const out = new Float32Array(rows.length * plan.outputCount);
  const inputCount = plan.programs.predict.inputs.length;
  // One step a call: the buffer of predictions holds a single batch.
  for (let start = 0; start < rows.length; start += plan.batchSize) {
    const indices = rows.subarray(start, start + plan.batchSize);
    const n = indices.length;
    executor.run('predict', {
      indices,
      rows: Int32Array.of(n),
      inputs: new Float32Array(inputCount).fill(1 / n),
    });
    const batch = executor.read(plan.prediction).subarray(0, n * plan.outputCount);
    out.set(batch, start * plan.outputCount);
  }
  return out;
}
