// training.checkpoints.keepEvery: the state after every so many epochs is there, however quick they are.
import { expect, it } from 'vitest';
import { controlRun } from '../../src/runs/control-store.ts';
import { listStates } from '../../src/runs/progress-store.ts';
import { type RunDatabase, until } from './support/lifecycle.ts';
import { ended, queueTraining, reachesEpoch, readRun, useWorker } from './support/training.ts';

const epochs = 40;
const keepEvery = 3;

let at: RunDatabase;
let dataset: string;
useWorker('digits', (suite) => {
  ({ at, dataset } = suite);
});

const queue = (checkpoints: object, units = 8) =>
  queueTraining(at, dataset, { epochs, units, training: { checkpoints } });
const epochsOfStates = async (runId: string) =>
  (await listStates(at.sql, runId)).map(({ epoch, stepsWithin }) => {
    expect(stepsWithin).toBe(0);
    return epoch;
  });
/** And that of the last epoch, newest first. */
const every = (n: number): number[] =>
  Array.from({ length: epochs }, (_, i) => epochs - i).filter((epoch) => epoch % n === 0 || epoch === epochs);

it('the state after every third epoch is kept, and changes nothing', async () => {
  const plain = await queue({});
  const { weightsSha256 } = await ended(at, plain);
  expect(await epochsOfStates(plain)).toEqual([epochs]);
  for (const n of [1, keepEvery]) {
    const runId = await queue({ keepEvery: n });
    expect(await ended(at, runId)).toMatchObject({ status: 'succeeded', weightsSha256 });
    expect(await epochsOfStates(runId)).toEqual(every(n));
  }
});

it('also of a run that was paused and went on', async () => {
  const runId = await queue({ keepEvery }, 1_500);
  for (let turn = 0; turn < 3; turn++) {
    await reachesEpoch(at, runId, (await readRun(at, runId)).epoch + 4);
    await controlRun(at.db, at.projectId, runId, 'pause');
    await until(async () => (await readRun(at, runId)).status === 'paused', 'the pause', 10_000);
    await controlRun(at.db, at.projectId, runId, 'resume');
  }
  expect(await ended(at, runId)).toMatchObject({ status: 'succeeded', fence: 4 });
  // Those at which it was left are the newest no more.
  expect(await epochsOfStates(runId)).toEqual(every(keepEvery));
});
