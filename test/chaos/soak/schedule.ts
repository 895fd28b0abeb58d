// What is broken when: rounds in which each fault has its turn once, in an order of the round's own.

export interface Turn<T> {
  readonly fault: T;
  /** From the start of the one before. */
  readonly afterMs: number;
}

const afterMsMin = 20_000;
const afterMsMax = 40_000;

/** Endless. */
export function* scheduleOf<T>(faults: readonly T[], random: () => number): Generator<Turn<T>, never> {
  for (;;) {
    for (const fault of shuffled(faults, random)) {
      yield { fault, afterMs: afterMsMin + random() * (afterMsMax - afterMsMin) };
    }
  }
}

function shuffled<T>(all: readonly T[], random: () => number): T[] {
  const left = [...all];
  return all.flatMap(() => left.splice(Math.floor(random() * left.length), 1));
}
