// When a training's state is to be stored next: as soon as the last one is old enough, is stored, and has been paid for.
import { control } from './protocol.ts';

export interface CheckpointClock {
  due(): boolean;
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
  return {
    due: () => {
      const costMs = takingMs + Atomics.load(shared, control.checkpointCostMs);
      return (
        now() - takenAt >= Math.max(everyMs, costMs * shareOfTime) &&
        Atomics.load(shared, control.checkpointsDone) === sent
      );
    },
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
