import { expect, it } from 'vitest';
import { createEpochGroups, type EpochGroup } from '../../../workers/epoch-groups.ts';

const epoch = (n: number) => ({
  epoch: n,
  metrics: { loss: 1 / n },
  diverged: false,
  weightsSha256: '',
  durationMs: 1,
  bestEpoch: null,
});
const checkpoint = (n: number) => ({
  epoch: n,
  stepsWithin: 0,
  withinMs: 0,
  bytes: new Uint8Array(1),
});

function setUp() {
  const sent: EpochGroup[] = [];
  const clock = { ms: 1_000 };
  const groups = createEpochGroups(
    (group) => sent.push(group),
    () => clock.ms,
  );
  const numbers = () => sent.map(({ epochs }) => epochs.map((each) => each.epoch));
  return { groups, sent, clock, numbers };
}

it('keeps quick epochs together and sends them before they are old', () => {
  const { groups, clock, numbers } = setUp();
  for (const n of [1, 2, 3]) groups.add(epoch(n), null);
  expect(numbers()).toEqual([]);
  clock.ms += 60;
  groups.add(epoch(4), null);
  expect(numbers()).toEqual([[1, 2, 3, 4]]);
  groups.add(epoch(5), null);
  expect(groups.take().epochs.map((each) => each.epoch)).toEqual([5]);
  expect(groups.take().epochs).toEqual([]);
});

it('sends slow epochs one by one', () => {
  const { groups, clock, numbers } = setUp();
  for (const n of [1, 2]) {
    clock.ms += 300;
    groups.add(epoch(n), null);
  }
  expect(numbers()).toEqual([[1], [2]]);
});

it('sends no message larger than the distance a training may be ahead', () => {
  const { groups, numbers } = setUp();
  for (let n = 1; n <= 600; n++) groups.add(epoch(n), null);
  expect(numbers().map(({ length }) => length)).toEqual([256, 256]);
});

it('sends the newest checkpoint with the epochs up to it', () => {
  const { groups, sent, clock } = setUp();
  groups.add(epoch(1), checkpoint(1));
  groups.add(epoch(2), checkpoint(2));
  clock.ms += 60;
  groups.add(epoch(3), null);
  groups.add(epoch(4), null);
  expect(sent.map((group) => group.checkpoint?.epoch)).toEqual([2]);
  expect(groups.take().checkpoint).toBeNull();
});

it('keeps the last state for whoever takes the rest', () => {
  const { groups, sent } = setUp();
  groups.add(epoch(1), checkpoint(1));
  groups.addLast({ ...checkpoint(1), stepsWithin: 5 });
  expect(sent).toEqual([]);
  expect(groups.take()).toMatchObject({ epochs: [{ epoch: 1 }], checkpoint: { stepsWithin: 5 } });
});

it('sends a state within an epoch at once, with the epochs before it', () => {
  const { groups, sent } = setUp();
  groups.add(epoch(1), null);
  groups.addWithin({ ...checkpoint(1), stepsWithin: 5 });
  groups.addWithin({ ...checkpoint(1), stepsWithin: 9 });
  expect(sent.map((group) => [group.epochs.length, group.checkpoint?.stepsWithin])).toEqual([
    [1, 5],
    [0, 9],
  ]);
});
