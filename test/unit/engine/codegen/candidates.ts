/** The back ends that have to give the interpreter's bits, as they are and in memory whose padding is NaN. */
import { backends } from '../../../../src/engine/codegen/backends.ts';
import type { CreateExecutor } from '../../../../src/engine/kernels.ts';
import { native, poisonedNative } from './native.ts';
import { createPoisoned } from './poisoned.ts';

export const compiledBackends: Readonly<Record<string, CreateExecutor>> = {
  wasm: createPoisoned,
  ...poisonedNative,
};

export const allBackends: typeof backends & Readonly<Record<string, CreateExecutor>> = {
  ...backends,
  ...native,
};
