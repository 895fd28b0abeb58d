// Whether a training failed because memory was refused: by the engine, by V8, which has only words for it, or by a
// thread that helped.
import { OutOfMemoryError } from '../src/engine/out-of-memory.ts';
import type { RunFailure } from '../src/runs/status.ts';

/** Of V8 and Node: array buffers, WebAssembly's memories and modules, messages between threads; ours in another thread. */
const words =
  /allocation failed|could not allocate|unable to grow|maximum memory size exceeded|out of memory|invalid typed array length|bytes of memory were refused/i;

export function isOutOfMemory(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof OutOfMemoryError || words.test(error.message)) return true;
  if ('code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY') return true;
  return isOutOfMemory(error.cause);
}

export const outOfMemory: RunFailure & { readonly code: 'outOfMemory' } = {
  code: 'outOfMemory',
  detail:
    'The training needs more memory than it can have. With fewer units, channels or layers, a smaller batch or less data it ' +
    'may fit, or on a worker with more memory.',
};
