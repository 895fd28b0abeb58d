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

/** Two words of a block go to `out`. Written out, rotations too: shuffling takes its time here. */
function block(k0: number, k1: number, c0: number, c1: number, out: Int32Array, at: number): void {
  const k2 = k0 ^ k1 ^ PARITY;
  let a = (c0 + k0) | 0;
  let b = (c1 + k1) | 0;
  a = (a + b) | 0;
  b = ((b << 13) | (b >>> 19)) ^ a;
  a = (a + b) | 0;
  b = ((b << 15) | (b >>> 17)) ^ a;
  a = (a + b) | 0;
  b = ((b << 26) | (b >>> 6)) ^ a;
  a = (a + b) | 0;
  b = ((b << 6) | (b >>> 26)) ^ a;
  a = (a + k1) | 0;
  b = (((b + k2) | 0) + 1) | 0;
  a = (a + b) | 0;
  b = ((b << 17) | (b >>> 15)) ^ a;
  a = (a + b) | 0;
  b = ((b << 29) | (b >>> 3)) ^ a;
  a = (a + b) | 0;
  b = ((b << 16) | (b >>> 16)) ^ a;
  a = (a + b) | 0;
  b = ((b << 24) | (b >>> 8)) ^ a;
  a = (a + k2) | 0;
  b = (((b + k0) | 0) + 2) | 0;
  a = (a + b) | 0;
  b = ((b << 13) | (b >>> 19)) ^ a;
  a = (a + b) | 0;
  b = ((b << 15) | (b >>> 17)) ^ a;
  a = (a + b) | 0;
  b = ((b << 26) | (b >>> 6)) ^ a;
  a = (a + b) | 0;
  b = ((b << 6) | (b >>> 26)) ^ a;
  a = (a + k0) | 0;
  b = (((b + k1) | 0) + 3) | 0;
  a = (a + b) | 0;
  b = ((b << 17) | (b >>> 15)) ^ a;
  a = (a + b) | 0;
  b = ((b << 29) | (b >>> 3)) ^ a;
  a = (a + b) | 0;
  b = ((b << 16) | (b >>> 16)) ^ a;
  a = (a + b) | 0;
  b = ((b << 24) | (b >>> 8)) ^ a;
  a = (a + k1) | 0;
  b = (((b + k2) | 0) + 4) | 0;
  a = (a + b) | 0;
  b = ((b << 13) | (b >>> 19)) ^ a;
  a = (a + b) | 0;
  b = ((b << 15) | (b >>> 17)) ^ a;
  a = (a + b) | 0;
  b = ((b << 26) | (b >>> 6)) ^ a;
  a = (a + b) | 0;
  b = ((b << 6) | (b >>> 26)) ^ a;
  out[at] = (a + k2) | 0;
  out[at + 1] = (((b + k0) | 0) + 5) | 0;
}

/** One block: 64 random bits for a 64-bit counter under a 64-bit key. Words are unsigned, low word first. */
export function threefry2x32(key: Words, counter: Words): Words {
  const out = new Int32Array(2);
  block(key[0] | 0, key[1] | 0, counter[0] | 0, counter[1] | 0, out, 0);
  return [(out[0] ?? 0) >>> 0, (out[1] ?? 0) >>> 0];
}

/** So many blocks of a stream from number `first` on. */
function fillBlocks(k0: number, k1: number, first: number, out: Int32Array, count: number): void {
  const high = (first / HIGH) | 0;
  // There are a power of two of them, and they begin at a multiple of it: the low word does not overflow on the way.
  let low = first | 0;
  for (let at = 0; at < 2 * count; at += 2) block(k0, k1, low++, high, out, at);
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

const BLOCKS_MAX = 256;

/**
 * The stream of random numbers for one purpose, e.g. `stream(seed, 'initialize', 'layers.0.weight')`.
 * `seed` and the numbers of the path are integers in [0, 2^53).
 */
export const stream = (seed: number, ...path: readonly (string | number)[]): Random =>
  streamOf(streamKey(seed, ...path), new Int32Array(2 * BLOCKS_MAX));

/** The stream with that key, from its beginning. What is drawn ahead lies in `words`. */
function streamOf(key: Words, words: Int32Array): Random {
  let blocks = 0;
  let drawn = 0;
  let taken = 0;
  let pendingNormal: number | null = null;

  const refill = (): void => {
    // Most streams are short: one is drawn from the further ahead the longer it is.
    const ahead = Math.min(Math.max(blocks, 1), BLOCKS_MAX);
    fillBlocks(key[0] | 0, key[1] | 0, blocks, words, ahead);
    blocks += ahead;
    drawn = 2 * ahead;
    taken = 0;
  };
  const uint32 = (): number => {
    if (taken === drawn) refill();
    return (words[taken++] as number) >>> 0;
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

/** A draw below the last whole multiple of `bound`: those above are thrown away. */
function wholeDraw(random: Random, bound: number): number {
  let draw = random.uint32();
  if (draw >= HIGH - bound) {
    const limit = HIGH - (HIGH % bound);
    while (draw >= limit) draw = random.uint32();
  }
  return draw >>> 0;
}

/** A uniform integer in [0, bound), for bound in 1..2^32. */
export const below = (random: Random, bound: number): number => wholeDraw(random, bound) % bound;

/** Fisher–Yates, in place: every order is equally likely. */
export function shuffle(values: Int32Array, random: Random): void {
  for (let last = values.length - 1; last > 0; last--) {
    // As `below`, but of integers, which divide faster than numbers do.
    const bound = (last + 1) >>> 0;
    const pick = (wholeDraw(random, bound) % bound) | 0;
    const moved = values[last] as number;
    values[last] = values[pick] as number;
    values[pick] = moved;
  }
}

/**
 * The order in which an epoch visits its `n` rows, by the epoch's number; written over by the next. Small networks
 * have ten thousand epochs a second: nothing is made anew for each.
 */
export function permutations(seed: number, n: number): (epoch: number) => Int32Array {
  const key = streamKey(seed, 'shuffle');
  const words = new Int32Array(2 * BLOCKS_MAX);
  const order = new Int32Array(n);
  return (epoch) => {
    for (let i = 0; i < n; i++) order[i] = i;
    shuffle(order, streamOf(absorb(key, epoch), words));
    return order;
  };
}
