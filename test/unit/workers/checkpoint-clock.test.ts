import { beforeEach, describe, expect, it } from 'vitest';
import { type CheckpointClock, createCheckpointClock } from '../../../workers/checkpoint-clock.ts';
import { control, controlBytes } from '../../../workers/protocol.ts';

let nowMs = 0;
let shared: Int32Array;
let clock: CheckpointClock;

beforeEach(() => {
  nowMs = 0;
  shared = new Int32Array(new SharedArrayBuffer(controlBytes));
  clock = createCheckpointClock(2_000, shared, () => nowMs);
});

/** Taken in so long, and stored at once. */
function take(takingMs = 0, storingMs = 0): void {
  clock.take(() => {
    nowMs += takingMs;
  });
  Atomics.store(shared, control.checkpointCostMs, storingMs);
  Atomics.add(shared, control.checkpointsDone, 1);
}

/** When each state is taken, of so many epochs of that length, in steps of 50 ms. */
function takenAt(epochMs: number, epochs: number): number[] {
  const times: number[] = [];
  const takeNow = () => {
    times.push(nowMs);
    take();
  };
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (let within = 50; within < epochMs; within += 50) {
      nowMs += 50;
      if (clock.dueWithin()) takeNow();
    }
    nowMs += 50;
    if (clock.dueAfter(epochMs)) takeNow();
  }
  return times;
}

describe('the clock of checkpoints', () => {
  it.each([
    ['the nearest end of an epoch, before', 450, 5, [1_800]],
    ['the nearest end of an epoch, after', 700, 4, [2_100]],
    ['each end of epochs as long as the interval', 2_000, 3, [2_000, 4_000, 6_000]],
    [
      'the moment itself within the first epoch, and within a longer one',
      5_000,
      2,
      [2_000, 4_000, 6_000, 8_000, 10_000],
    ],
  ])('takes %s', (_, epochMs, epochs, times) => {
    expect(takenAt(epochMs, epochs)).toEqual(times);
  });

  it('says whether a state that is to be kept is still on its way', () => {
    expect(clock.isFree()).toBe(true);
    clock.take(() => undefined);
    expect(clock.isFree()).toBe(true);
    clock.take(() => undefined, true);
    expect(clock.isFree()).toBe(false);
    // The one before it was passed over.
    Atomics.store(shared, control.checkpointsDone, 2);
    expect(clock.isFree()).toBe(true);
    clock.waitUntilFree(60_000);
    clock.take(() => undefined, true);
    const startedAt = performance.now();
    clock.waitUntilFree(30);
    expect(performance.now() - startedAt).toBeGreaterThan(20);
    expect(clock.isFree()).toBe(false);
  });

  it('takes a state within an epoch that takes longer than those before', () => {
    nowMs = 1_000;
    expect(clock.dueAfter(1_000)).toBe(false);
    nowMs = 2_499;
    expect(clock.dueWithin()).toBe(false);
    nowMs = 2_500;
    expect(clock.dueWithin()).toBe(true);
  });

  it('takes none before the last is stored, and none that would cost more than half of the time', () => {
    nowMs = 2_000;
    clock.take(() => undefined);
    nowMs = 9_000;
    expect(clock.dueWithin()).toBe(false);
    Atomics.add(shared, control.checkpointsDone, 1);
    expect(clock.dueWithin()).toBe(true);
    take(1_000, 2_000);
    nowMs = 9_000 + 5_999;
    expect(clock.dueWithin()).toBe(false);
    nowMs++;
    expect(clock.dueWithin()).toBe(true);
  });
});
