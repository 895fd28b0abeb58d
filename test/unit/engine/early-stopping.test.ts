import { describe, expect, it } from 'vitest';
import { observe, shouldStopEarly, WATCH_START, type Watch } from '../../../src/engine/early-stopping.ts';

const watch: Watch = { monitor: 'validationLoss', mode: 'min', minDelta: 0, patience: 2 };

/** Feeds the values from epoch 1 on; gives the epoch it stops at (or null) and the last state. */
function feed(at: Watch, values: readonly number[]) {
  let state = WATCH_START;
  for (const [i, value] of values.entries()) {
    state = observe(at, state, i + 1, value);
    if (shouldStopEarly(at, state)) return { stoppedAt: i + 1, state };
  }
  return { stoppedAt: null, state };
}

describe('early stopping', () => {
  it('stops after `patience` epochs without improvement and remembers the best', () => {
    expect(feed(watch, [3, 2, 2.5, 2, 1])).toEqual({
      stoppedAt: 4,
      state: { bestEpoch: 2, bestValue: 2, epochsSinceBest: 2 },
    });
  });

  it('counts afresh from each improvement', () => {
    expect(feed(watch, [3, 4, 2, 3, 1, 2]).stoppedAt).toBeNull();
  });

  it('takes the largest in mode max', () => {
    const { stoppedAt, state } = feed({ ...watch, mode: 'max' }, [0.5, 0.9, 0.8, 0.9]);
    expect([stoppedAt, state.bestEpoch]).toEqual([4, 2]);
  });

  it('ignores improvements that are not larger than minDelta', () => {
    expect(feed({ ...watch, minDelta: 0.5 }, [2, 1.5, 1.5, 1]).stoppedAt).toBe(3);
    expect(feed({ ...watch, mode: 'max', minDelta: 0.5 }, [2, 2.5, 2.5]).stoppedAt).toBe(3);
  });

  it('never takes a value that is not finite', () => {
    const { state, stoppedAt } = feed(watch, [Number.NaN, Number.NEGATIVE_INFINITY]);
    expect(stoppedAt).toBe(2);
    expect(state.bestEpoch).toBeNull();
    expect(feed({ ...watch, patience: 9 }, [Number.NaN, 1]).state.bestEpoch).toBe(2);
  });

  it('without patience only keeps the score', () => {
    const { stoppedAt, state } = feed({ ...watch, patience: null }, [1, 2, 3, 4, 5]);
    expect([stoppedAt, state.bestEpoch]).toEqual([null, 1]);
  });
});
