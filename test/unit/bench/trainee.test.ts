import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { timeSlice } from '../../bench/trainee.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** An epoch of so many ms, of which it trains a step every `stepMs`. */
const epochOf = (ms: number, stepMs: number) => (deadline: number) => {
  let steps = 0;
  for (let at = 0; at < ms; at += stepMs) {
    vi.advanceTimersByTime(stepMs);
    steps++;
    if (performance.now() > deadline) break;
  }
  return steps;
};

it('takes whole epochs as samples, as many as last the shortest sample', async () => {
  const { samples } = await timeSlice(epochOf(40, 10), 0.36, 0.1);
  const sample = { steps: 12, seconds: 0.12 };
  expect(samples).toEqual([sample, sample, sample]);
});

it('drops a last sample that the end of the slice cut short', async () => {
  const { samples } = await timeSlice(epochOf(80, 10), 0.18, 0.1);
  expect(samples).toEqual([{ steps: 16, seconds: 0.16 }]);
});

it('takes a part of an epoch that is longer than the slice', async () => {
  const { samples } = await timeSlice(epochOf(60_000, 600), 1, 0.1);
  expect(samples).toEqual([{ steps: 2, seconds: 1.2 }]);
});
