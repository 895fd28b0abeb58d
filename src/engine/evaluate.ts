/** What a network with its current parameters makes of some rows: mean loss and metrics, or each row's output. */
import type { Executor, Plan } from './kernels.ts';
import { runSteps, type ShouldStop } from './steps.ts';

/** Mean of the loss and of each metric over the rows, by name; null if stopped. Without rows there is nothing. */
export function evaluateRows(
  executor: Executor,
  plan: Plan,
  rows: Int32Array,
  shouldStop: ShouldStop,
): Record<string, number> | null {
  const inputCount = plan.programs.evaluate.inputs.length;
  const run = {
    executor,
    plan,
    program: 'evaluate',
    order: rows,
    dropLast: false,
    writeInputs: (out: Float32Array, at: number, _: number, n: number) => {
      out.fill(1 / n, at, at + inputCount);
    },
    shouldStop,
  } as const;
  const { finished, sums, rows: count } = runSteps(run);
  return finished ? means(plan.programs.evaluate.outputs, sums, count) : null;
}

/** Sums by output slot → means by name. */
export function means(names: readonly string[], sums: Float64Array, rows: number): Record<string, number> {
  if (rows === 0) return {};
  return Object.fromEntries(names.map((name, slot) => [name, (sums[slot] ?? Number.NaN) / rows]));
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
