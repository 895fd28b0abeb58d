/** The back ends that have to give the interpreter's bits, each in memory whose padding is not zero where that can be. */
import { createWasmIn } from '../../../../src/engine/codegen/wasm/executor.ts';
import { Memory } from '../../../../src/engine/codegen/wasm/runtime.ts';
import type { CreateExecutor, Executor, Plan } from '../../../../src/engine/kernels.ts';
import { lengthOf } from './compare.ts';

/** Memory full of NaN: what leaks from padding into a result shows. */
export function poisoned(pages: number) {
  const memory = new Memory({ initial: pages, maximum: pages });
  new Uint8Array(memory.buffer).fill(0xff);
  return memory;
}

/** Every element holds its buffer's fill, as in fresh memory; only padding stays poisoned. */
function filled(executor: Executor, plan: Plan): Executor {
  for (const b of plan.buffers) {
    executor.write(b.id, new Float32Array(lengthOf(plan, b.id)).fill(b.fill));
  }
  return executor;
}

export const compiledBackends: Readonly<Record<string, CreateExecutor>> = {
  wasm: (plan, data, stepsMax) => filled(createWasmIn(poisoned, plan, data, stepsMax), plan),
};
