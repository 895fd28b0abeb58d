import { expect, it } from 'vitest';
import { createTrainingTime, type TimeSetting } from '../../../workers/training-time.ts';

function setUp(setting: Partial<TimeSetting> = {}) {
  const clock = { ms: 100 };
  const start = { limitMs: 1_000, spentMs: 0, storedEpoch: 0, withinMs: 0, ...setting };
  const time = createTrainingTime(start, () => clock.ms);
  const train = (ms: number) => time.spend(() => (clock.ms += ms));
  return { time, clock, train };
}

it('counts what is spent on training, and nothing between', () => {
  const { time, clock, train } = setUp();
  train(300);
  clock.ms += 5_000;
  train(100);
  expect(time.withinMs()).toBe(400);
  expect(time.finish(1)).toBe(400);
  expect(time.withinMs()).toBe(0);
  train(599);
  expect(time.isOver(1)).toBe(false);
  train(1);
  expect(time.isOver(1)).toBe(true);
});

it('is over also while a piece of an epoch is under way', () => {
  const { time, clock } = setUp();
  time.spend(() => {
    clock.ms += 999;
    expect(time.isOver(0)).toBe(false);
    clock.ms += 1;
    expect(time.isOver(0)).toBe(true);
  });
});

it('goes on from what was spent before', () => {
  const { time, train } = setUp({ spentMs: 700, storedEpoch: 3, withinMs: 200 });
  train(50);
  expect(time.isOver(3)).toBe(false);
  expect(time.finish(4)).toBe(250);
  train(50);
  expect(time.isOver(4)).toBe(true);
});

it('charges nothing for stored epochs that are trained again, and does not end among them', () => {
  const { time, train } = setUp({ spentMs: 1_200, storedEpoch: 3 });
  train(5_000);
  expect(time.isOver(1)).toBe(false);
  time.finish(2);
  expect(time.isOver(2)).toBe(false);
  time.finish(3);
  expect(time.isOver(3)).toBe(true);
  const cheaper = setUp({ spentMs: 900, storedEpoch: 3 });
  cheaper.train(5_000);
  cheaper.time.finish(3);
  expect(cheaper.time.isOver(3)).toBe(false);
});

it('is never over without a limit', () => {
  const { time, train } = setUp({ limitMs: null });
  train(1e9);
  expect(time.isOver(0)).toBe(false);
});
