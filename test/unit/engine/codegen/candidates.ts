/** The back ends that have to give the interpreter's bits, each in memory whose padding is not zero where that can be. */
import type { CreateExecutor } from '../../../../src/engine/kernels.ts';
import { createPoisoned } from './poisoned.ts';

export const compiledBackends: Readonly<Record<string, CreateExecutor>> = {
  wasm: createPoisoned,
};
