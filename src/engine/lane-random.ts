/**
 * Random numbers in lane expressions: Threefry-2x32 (Salmon, Moraes, Dror, Shaw, SC 2011) of the element's place under a
 * key of the step. With 13 rounds, the fewest that pass BigCrush (their table 2): a mask is drawn for every element of
 * every step. A draw is a pure function of (seed, stream, step, row, column): no thread and no back end changes it.
 *
 * The key's two words come as four scalars of 16 bits each, numbers that an f32 holds exactly.
 */
import type { Expr } from './expr.ts';
import {
  add,
  bits,
  convert,
  iadd,
  iand,
  index,
  input,
  integer,
  ior,
  ishl,
  iushr,
  ixor,
  mul,
} from './expr.ts';
import { streamKey, threefry2x32 } from './random.ts';

const PARITY = 0x1bd11bda;
const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24] as const;
const ROUNDS = 13;
const PARTS = 4;
const HALF = 16;
const LOW = 0xffff;

/** The scalars that a stream's draws read, in order. */
export const keyNames = (stream: string): readonly string[] =>
  Array.from({ length: PARTS }, (_, i) => `random.${stream}.${i}`);

/** Their values for one step. Streams differ by name, steps by number (below 2^53). */
export function keyScalars(seed: number, stream: string): (step: number) => readonly number[] {
  const key = streamKey(seed, 'lanes', stream);
  return (step) => {
    const words = threefry2x32(key, [step >>> 0, Math.floor(step / 2 ** 32)]);
    return words.flatMap((word) => [word & LOW, word >>> HALF]);
  };
}

/** A whole number in [0, 2^16) that is exact in f32, as an integer. */
const wholeBits = (e: Expr): Expr => iand(bits(add(e, 8388608)), integer(LOW));

/** The draw of each element: a uniform integer in [0, 2^24). */
export function randomInteger(stream: string): Expr {
  const [a, b, c, d] = keyNames(stream).map((name) => wholeBits(input(name, 'scalar'))) as [
    Expr,
    Expr,
    Expr,
    Expr,
  ];
  const key = [ior(a, ishl(b, HALF)), ior(c, ishl(d, HALF))] as const;
  const schedule = [key[0], key[1], ixor(ixor(key[0], key[1]), integer(PARITY))] as const;
  const part = (i: number): Expr => schedule[(i % 3) as 0 | 1 | 2];
  let x = iadd(index('col'), key[0]);
  let y = iadd(index('row'), key[1]);
  for (let round = 0; round < ROUNDS; round++) {
    const rotation = ROTATIONS[(round & 7) as 0];
    x = iadd(x, y);
    y = ixor(ior(ishl(y, rotation), iushr(y, 32 - rotation)), x);
    if ((round & 3) === 3) {
      const injection = (round >> 2) + 1;
      x = iadd(x, part(injection));
      y = iadd(iadd(y, part(injection + 1)), integer(injection));
    }
  }
  return iushr(x, 8);
}

/** The same as a number in [0, 1), a multiple of 2^−24. */
export const randomUniform = (stream: string): Expr => mul(convert(randomInteger(stream)), 2 ** -24);
