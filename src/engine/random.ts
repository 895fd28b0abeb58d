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
const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24] as const;
const ROUNDS = 20;

/** One block: 64 random bits for a 64-bit counter under a 64-bit key. Words are unsigned, low word first. */
export function threefry2x32(key: Words, counter: Words): Words {
  const schedule = [key[0], key[1], key[0] ^ key[1] ^ PARITY] as const;
  const part = (i: number): number => schedule[(i % 3) as 0 | 1 | 2];
  let a = (counter[0] + key[0]) | 0;
  let b = (counter[1] + key[1]) | 0;
  for (let round = 0; round < ROUNDS; round++) {
    const rotation = ROTATIONS[(round & 7) as 0];
    a = (a + b) | 0;
    b = ((b << rotation) | (b >>> (32 - rotation))) ^ a;
    if ((round & 3) === 3) {
      const injection = (round >> 2) + 1;
      a = (a + part(injection)) | 0;
      b = (b + part(injection + 1) + injection) | 0;
    }
  }
  return [a >>> 0, b >>> 0];
}

const HIGH = 2 ** 32;
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

/**
 * The stream of random numbers for one purpose, e.g. `stream(seed, 'initialize', 'layers.0.weight')`.
 * `seed` and the numbers of the path are integers in [0, 2^53).
 */
export function stream(seed: number, ...path: readonly (string | number)[]): Random {
  const key = streamKey(seed, ...path);
  let block = 0;
  let pending: number | null = null;
  let pendingNormal: number | null = null;

  const uint32 = (): number => {
    if (pending !== null) {
      const word = pending;
      pending = null;
      return word;
    }
    const [first, second] = threefry2x32(key, wordsOf(block++));
    pending = second;
    return first;
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
  const limit = HIGH - (HIGH % bound);
  let draw = random.uint32();
  while (draw >= limit) draw = random.uint32();
  return draw % bound;
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
