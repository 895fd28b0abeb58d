/** The stack frame of a program: words for addresses and counters, vectors for values. Addressed from rbp. */
import type { Mem } from './operands.ts';
import { at, rbp } from './operands.ts';

const VECTOR_BYTES = 64;
const WORD_BYTES = 8;

export interface Frame {
  /** 64 bytes on a multiple of 64. */
  vector(): Mem;
  word(): Mem;
  /** What is taken inside is free again afterwards. */
  scoped<T>(body: () => T): T;
  /** The size that was ever needed; a multiple of 64. */
  bytes(): number;
}

export function createFrame(): Frame {
  let taken = 0;
  let most = 0;
  const take = (bytes: number): Mem => {
    const from = Math.ceil(taken / bytes) * bytes;
    taken = from + bytes;
    most = Math.max(most, taken);
    return at(rbp, from);
  };
  return {
    vector: () => take(VECTOR_BYTES),
    word: () => take(WORD_BYTES),
    scoped(body) {
      const before = taken;
      const result = body();
      taken = before;
      return result;
    },
    bytes: () => Math.ceil(most / VECTOR_BYTES) * VECTOR_BYTES,
  };
}
