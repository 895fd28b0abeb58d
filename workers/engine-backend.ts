// Which back end trains, and how many threads share a training. Neither ever changes a result.
import { isMainThread } from 'node:worker_threads';
import { type BackendName, backends } from '../src/engine/codegen/backends.ts';
import type { CreateExecutor, Plan } from '../src/engine/kernels.ts';
import { engineVersion } from '../src/engine/version.ts';
import type { Log } from '../src/log.ts';
import { type NativeBackend, openNative } from '../src/native/native.ts';
import type { EngineIdentity } from '../src/runs/lease-store.ts';

export type WorkerBackend = BackendName | 'native';

/** What the setting comes to on this machine: `auto` is machine code where it can be had, else WebAssembly. */
export function chooseBackend(wanted: WorkerBackend | 'auto', log: Log): WorkerBackend {
  if (wanted === 'interpreter' || wanted === 'wasm') {
    return wanted;
  }
  try {
    const { isa } = nativeBackend();
    log.info({ backend: 'native', isa }, 'trains in machine code');
    return 'native';
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    if (wanted === 'native') {
      throw new Error(`ENGINE_BACKEND=native cannot be had here: ${why}; "auto" or "wasm" can`);
    }
    log.info({ backend: 'wasm' }, `trains in WebAssembly: ${why}`);
    return 'wasm';
  }
}

/** What the worker says of itself when it claims a run. */
export function engineOf(backend: WorkerBackend): EngineIdentity {
  return { backend, isa: backend === 'native' ? nativeBackend().isa : null, version: engineVersion };
}

let opened: NativeBackend | null = null;

/** Of this thread. Throws an Error that says why there is none. The main thread has tested it before it starts others. */
export function nativeBackend(): NativeBackend {
  opened ??= openNative({ tested: !isMainThread });
  return opened;
}

export function executorsOf(name: WorkerBackend): CreateExecutor {
  return name === 'native' ? nativeBackend().create : backends[name];
}

/** A step of so little work is done before another thread has heard of it. */
const FLOPS_PER_THREAD: Readonly<Record<WorkerBackend, number>> = {
  native: 2e6,
  wasm: 5e5,
  // It has one thread.
  interpreter: Number.POSITIVE_INFINITY,
};

/** How many threads pay for a plan, of `most`. */
export function threadsFor(plan: Plan, backend: WorkerBackend, most: number): number {
  const worth = Math.floor(plan.programs.train.flops / FLOPS_PER_THREAD[backend]);
  // With fewer samples than threads some would only wait.
  return Math.max(1, Math.min(most, worth, plan.batchSize));
}
