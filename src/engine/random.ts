/**
 * Counter-based randomness: Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as
 * easy as 1, 2, 3", SC 2011). Every draw is a pure function of the seed, the stream's path and its place in the
 * stream; no state is shared, so nothing depends on who draws first.
 */
import { cos, log, sin } from './scalar-math.ts';

export interface Random {
  /** A uniform integer in [0, 2^32). */
  uint32(): number;
  /** A uniform number in [0, 1) with 24 bits: exact in f32. */
  uniform(): number;
  /** A standard normal number (f64). */
  normal(): number;
}

export type Words = readonly [number, number];

const PARITY = 0x1bd11bda;
const HIGH = 2 ** 32;

const rotated = (word: number, by: number): number => (word << by) | (word >>> (32 - by));

/** Two words of a block go to `out`. Written out: it is what shuffling takes its time for. */
function block(k0: number, k1: number, c0: number, c1: number, out: Uint32Array, at: number): void {
  const k2 = k0 ^ k1 ^ PARITY;
  let a = (c0 + k0) | 0;
  let b = (c1 + k1) | 0;
  a = (a + b) | 0;
  b = rotated(b, 13) ^ a;
  a = (a + b) | 0;
  b = rotated(b, 15) ^ a;
  a = (a + b) | 0;
  b = rotated(b, 26) ^ a;
  a = (a + b) | 0;
  b = rotated(b, 6) ^ a;
  a = (a + k1) | 0;
  b = (b + k2 + 1) | 0;
  a = (a + b) | 0;
  b = rotated(b, 17) ^ a;
  a = (a + b) | 0;
  b = rotated(b, 29) ^ a;
  a = (a + b) | 0;
  b = rotated(b, 16) ^ a;
  a = (a + b) | 0;
  b = rotated(b, 24) ^ a;
  a = (a + k2) | 0;
  b = (b + k0 + 2) | 0;
  a = (a + b) | 0;
  b = rotated(b, 13) ^ a;
  a = (a + b) | 0;
  b = rotated(b, 15) ^ a;
  a = (a + b) | 0;
  b = rotated(b, 26) ^ a;
  a = (a + b) | 0;
  b = rotated(b, 6) ^ a;
  a = (a + k0) | 0;
  b = (b + k1 + 3) | 0;
  a = (a + b) | 0;
  b = rotated(b, 17) ^ a;
  a = (a + b) | 0;
  b = rotated(b, 29) ^ a;
  a = (a + b) | 0;
  b = rotated(b, 16) ^ a;
  a = (a + b) | 0;
  b = rotated(b, 24) ^ a;
  a = (a + k1) | 0;
  b = (b + k2 + 4) | 0;
  a = (a + b) | 0;
  b = rotated(b, 13) ^ a;
  a = (a + b) | 0;
  b = rotated(b, 15) ^ a;
  a = (a + b) | 0;
  b = rotated(b, 26) ^ a;
  a = (a + b) | 0;
  b = rotated(b, 6) ^ a;
  out[at] = a + k2;
  out[at + 1] = b + k0 + 5;
}

/** One block: 64 random bits for a 64-bit counter under a 64-bit key. Words are unsigned, low word first. */
export function threefry2x32(key: Words, counter: Words): Words {
  const out = new Uint32Array(2);
  block(key[0] | 0, key[1] | 0, counter[0] | 0, counter[1] | 0, out, 0);
  return [out[0] ?? 0, out[1] ?? 0];
}

const NUMBER_TAG = 1;
const STRING_TAG = 2;

const wordsOf = (value: number): Words => [value >>> 0, Math.floor(value / HIGH) >>> 0];

/** Absorbs one path element into the key; type and length go in first, so that no two paths read alike. */
function absorb(key: Words, element: string | number): Words {
  if (typeof element === 'number') return threefry2x32(threefry2x32(key, [NUMBER_TAG, 0]), wordsOf(element));
  let next = threefry2x32(key, [STRING_TAG, element.length]);
  for (let i = 0; i < element.length; i += 2) {
    next = threefry2x32(next, [
      element.charCodeAt(i),
      i + 1 < element.length ? element.charCodeAt(i + 1) : 0,
    ]);
  }
  return next;
}

/** The key of a stream, for draws that are made elsewhere; see `stream`. */
export const streamKey = (seed: number, ...path: readonly (string | number)[]): Words =>
  path.reduce(absorb, absorb([0, 0], seed));

const WORDS_FIRST = 2;
const WORDS_MAX = 512;

/**
 * The stream of random numbers for one purpose, e.g. `stream(seed, 'initialize', 'layers.0.weight')`.
 * `seed` and the numbers of the path are integers in [0, 2^53).
 */
export function stream(seed: number, ...path: readonly (string | number)[]): Random {
  const key = streamKey(seed, ...path);
  let blocks = 0;
  let words = new Uint32Array(WORDS_FIRST);
  let taken = words.length;
  let pendingNormal: number | null = null;

  const refill = (): void => {
    // Short streams are many: a stream is drawn from the further ahead the longer it is.
    if (blocks > 0 && words.length < WORDS_MAX) words = new Uint32Array(2 * words.length);
    for (let at = 0; at < words.length; at += 2) {
      block(key[0] | 0, key[1] | 0, blocks | 0, (blocks / HIGH) | 0, words, at);
      blocks++;
    }
    taken = 0;
  };
  const uint32 = (): number => {
    if (taken === words.length) refill();
    return words[taken++] ?? 0;
  };

  return {
    uint32,
    uniform: () => (uint32() >>> 8) / 0x1000000,
    normal: () => {
      if (pendingNormal !== null) {
        const value = pendingNormal;
        pendingNormal = null;
        return value;
      }
      // Box–Muller; the radius draws from (0, 1] so that its logarithm is finite.
      const radius = Math.sqrt(-2 * log((uint32() + 1) / HIGH));
      const angle = (2 * Math.PI * uint32()) / HIGH;
      pendingNormal = radius * sin(angle);
      return radius * cos(angle);
    },
  };
}

/** A uniform integer in [0, bound), for bound in 1..2^32: draws above the last whole multiple are thrown away. */
export function below(random: Random, bound: number): number {
  let draw = random.uint32();
  if (draw >= HIGH - bound) {
    const limit = HIGH - (HIGH % bound);
    while (draw >= limit) draw = random.uint32();
  }
  // Unsigned both, which divides faster than numbers do.
  return bound === HIGH ? draw : (draw >>> 0) % (bound >>> 0);
}

/** Fisher–Yates, in place: every order is equally likely. */
export function shuffle(values: Int32Array, random: Random): void {
  for (let last = values.length - 1; last > 0; last--) {
    const pick = below(random, last + 1);
    const moved = values[last] ?? 0;
    values[last] = values[pick] ?? 0;
    values[pick] = moved;
  }
}

/** The order in which an epoch visits its `n` rows. */
export function permutation(seed: number, epoch: number, n: number): Int32Array {
  const order = new Int32Array(n);
  for (let i = 0; i < n; i++) order[i] = i;
  shuffle(order, stream(seed, 'shuffle', epoch));
  return order;
}
