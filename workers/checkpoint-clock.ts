// When a training's state is to be stored next: as soon as the last one is old enough, is stored, and has been paid for.
// An end of an epoch that is about as near is waited for: within an epoch, what it started from has to be stored, too.
import { control } from './protocol.ts';

export interface CheckpointClock {
  /** At the end of an epoch that took so long. */
  dueAfter(epochMs: number): boolean;
  dueWithin(): boolean;
  /** Takes a state and sends it. */
  take<T>(work: () => T): T;
}

/** Storing takes at most one part in so many of the time. */
const shareOfTime = 2;

export function createCheckpointClock(
  everyMs: number,
  shared: Int32Array,
  now: () => number,
): CheckpointClock {
  let takenAt = now();
  let takingMs = 0;
  let sent = Atomics.load(shared, control.checkpointsDone);
  /** The end of an epoch may come so much too early, or too late. */
  let toleranceMs = 0;
  const due = (toleratedMs: number): boolean => {
    const costMs = takingMs + Atomics.load(shared, control.checkpointCostMs);
    return (
      now() - takenAt >= Math.max(everyMs + toleratedMs, costMs * shareOfTime) &&
      Atomics.load(shared, control.checkpointsDone) === sent
    );
  };
  return {
    dueAfter: (epochMs) => {
      // The nearest end is at most half an epoch away; in longer epochs there need not be one.
      toleranceMs = epochMs <= everyMs ? epochMs / 2 : 0;
      return due(-toleranceMs);
    },
    dueWithin: () => due(toleranceMs),
    take: (work) => {
      const startedAt = now();
      const state = work();
      takenAt = startedAt;
      takingMs = now() - startedAt;
      sent = (sent + 1) | 0;
      return state;
    },
  };
}
