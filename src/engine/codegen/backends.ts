/** The back ends by name. All of them compute the same bits. */
import type { CreateExecutor } from '../kernels.ts';
import { createInterpreter } from './interpreter.ts';
import { createWasm } from './wasm/executor.ts';

export type BackendName = 'interpreter' | 'wasm';

export const backends: Readonly<Record<BackendName, CreateExecutor>> = {
  interpreter: createInterpreter,
  wasm: createWasm,
};
