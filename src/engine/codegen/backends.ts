/** The back ends by name. All of them compute the same bits. */
import type { CreateExecutor } from '../kernels.ts';
import { createInterpreter } from './interpreter.ts';
import { createWasmBackend } from './wasm/executor.ts';
import { createModuleCache } from './wasm/modules.ts';

const WASM_MODULES_MAX = 64;

/** This thread's compiled modules; those of other threads can be taken up. */
export const wasmModules = createModuleCache(WASM_MODULES_MAX);

export type BackendName = 'interpreter' | 'wasm';

export const backends: Readonly<Record<BackendName, CreateExecutor>> = {
  interpreter: createInterpreter,
  wasm: createWasmBackend(wasmModules),
};
