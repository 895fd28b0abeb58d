// What this worker's trainings hold of its memory. Claims go one after the other: each has to know what the one before
// has taken.
import { within } from '../src/deadline.ts';
import type { ClaimantMemory } from '../src/runs/lease-store.ts';

export interface MemoryBudget {
  /** What is claimed holds its memory until it is released. */
  claim<T>(
    work: (memory: ClaimantMemory) => Promise<T | null>,
    needOf: (claimed: T) => number,
  ): Promise<T | null>;
  release(bytes: number): void;
}

/** A claim that is lost on the way must not keep the others from trying; its lease runs out. */
const claimMsMax = 20_000;

export function createMemoryBudget(all: number): MemoryBudget {
  let held = 0;
  let last: Promise<unknown> = Promise.resolve();
  return {
    claim: (work, needOf) => {
      const mine = last.then(async () => {
        const claimed = await within(claimMsMax, work({ all, free: all - held }));
        if (claimed !== null) held += needOf(claimed);
        return claimed;
      });
      last = mine.catch(() => undefined);
      return mine;
    },
    release: (bytes) => {
      held -= bytes;
    },
  };
}
