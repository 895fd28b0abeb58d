// When a training's state is to be stored next: as soon as the last one is old enough, is stored, and has been paid for.
// An end of an epoch that is about as near is waited for: within an epoch, what it started from has to be stored, too.
import { control } from './protocol.ts';

export interface CheckpointClock {
  /** At the end of an epoch that took so long. */
  dueAfter(epochMs: number): boolean;
  dueWithin(): boolean;
  /** Takes a state and sends it. `kept`: no newer one may take its place on the way. */
  take<T>(work: () => T, kept?: boolean): T;
  /** Whether nothing is on its way whose place the next state must not take. */
  isFree(): boolean;
  /** Sleeps until it is, so many milliseconds at most. */
  waitUntilFree(ms: number): void;
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
  let lastIsKept = false;
  const isStored = () => Atomics.load(shared, control.checkpointsDone) === sent;
  /** The end of an epoch may come so much too early, or too late. */
  let toleranceMs = 0;
  const due = (toleratedMs: number): boolean => {
    const costMs = takingMs + Atomics.load(shared, control.checkpointCostMs);
    return now() - takenAt >= Math.max(everyMs + toleratedMs, costMs * shareOfTime) && isStored();
  };
  return {
    dueAfter: (epochMs) => {
      // The nearest end is at most half an epoch away; in longer epochs there need not be one.
      toleranceMs = epochMs <= everyMs ? epochMs / 2 : 0;
      return due(-toleranceMs);
    },
    dueWithin: () => due(toleranceMs),
    isFree: () => !lastIsKept || isStored(),
    waitUntilFree: (ms) => {
      const done = Atomics.load(shared, control.checkpointsDone);
      if (lastIsKept && done !== sent) Atomics.wait(shared, control.checkpointsDone, done, ms);
    },
    take: (work, kept = false) => {
      const startedAt = now();
      const state = work();
      takenAt = startedAt;
      takingMs = now() - startedAt;
      sent = (sent + 1) | 0;
      lastIsKept = kept;
      return state;
    },
  };
}
