import type { Surroundings } from './experiment.ts';
import { type Seed, seeds } from './shapes.ts';

export const seedOf = (repetition: number): Seed => seeds[repetition % seeds.length] ?? seeds[0];

/** All repetitions, so many side by side. `one` gets its number. */
export async function sideBySide(
  { repetitions, say }: Pick<Surroundings, 'repetitions' | 'say'>,
  size: number,
  one: (repetition: number) => Promise<void>,
): Promise<void> {
  for (let from = 0; from < repetitions; from += size) {
    const numbers = Array.from({ length: Math.min(size, repetitions - from) }, (_, i) => from + i);
    await Promise.all(numbers.map(one));
    say(`${Math.min(from + size, repetitions)} of ${repetitions}`);
  }
}
