/** The back ends that have to give the interpreter's bits, each in memory whose padding is not zero where that can be. */
import type { CreateExecutor, Executor, Plan } from '../../../../src/engine/kernels.ts';
import { lengthOf } from './compare.ts';
import { createPoisoned } from './poisoned.ts';

/** Every element holds its buffer's fill, as in fresh memory; only padding stays poisoned. */
function filled(executor: Executor, plan: Plan): Executor {
  for (const b of plan.buffers) {
    executor.write(b.id, new Float32Array(lengthOf(plan, b.id)).fill(b.fill));
  }
  return executor;
}

export const compiledBackends: Readonly<Record<string, CreateExecutor>> = {
  wasm: (plan, data, stepsMax) => filled(createPoisoned(plan, data, stepsMax), plan),
};
