// The hash of an epoch's weights. Where this thread has help, another takes it while they are still being read.
import type { ValuesFollower } from '../src/engine/parameters.ts';
import { sha256Hex } from '../src/idempotency/sha256.ts';
import type { CrewHash } from './crew.ts';

export interface WeightsHash extends ValuesFollower {
  /** SHA-256 in hexadecimal of the values as they lie in memory, one array after another. */
  of(values: readonly Float32Array[]): string;
}

/** Fewer are hashed sooner than another thread is awake; more cannot be counted in a word. */
const countMin = 32_768;
const countMax = 2 ** 31 - 1;

/** `helper`: who would take the hash, asked anew for each training and each epoch. */
export function createWeightsHash(helper: () => CrewHash | null): WeightsHash {
  /** What is being hashed, and by whom. */
  let begun: { readonly memory: ArrayBufferLike; readonly by: CrewHash } | null = null;
  const cancel = (): void => {
    begun?.by.cancel();
    begun = null;
  };
  return {
    allocate: (count) => {
      const shared = helper() !== null && count >= countMin && count <= countMax;
      const bytes = count * Float32Array.BYTES_PER_ELEMENT;
      return new Float32Array(shared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes));
    },
    begin: (values) => {
      cancel();
      const by = values.buffer instanceof SharedArrayBuffer ? helper() : null;
      if (by?.begin(values)) begun = { memory: values.buffer, by };
    },
    filled: (count) => begun?.by.filled(count),
    of: (values) => {
      // After the last epoch they may be those of the best one, and after one that diverged those before it.
      if (begun === null || values[0]?.buffer !== begun.memory) {
        cancel();
        return sha256Hex(...values);
      }
      const { by } = begun;
      begun = null;
      return by.finish();
    },
  };
}
