// Workers as real processes, and what becomes of their runs when they are killed, stopped or frozen. A run that
// was disturbed must be the undisturbed one, to the bit.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Command } from '../flow/support/command.ts';
import { eventsOf, expireLease, type RunDatabase, runDatabase, until } from '../flow/support/lifecycle.ts';
import {
  ended,
  endWorker,
  insertExample,
  queueTraining,
  reachesEpoch,
  readRun,
  startWorker,
} from '../flow/support/training.ts';

const epochs = 40;
/** Makes an epoch last long enough to be interrupted. */
const units = 512;

let at: RunDatabase;
let digits: string;
let undisturbed: { weightsSha256: string | null; results: unknown; epochHashes: string[] };
let receipt: { recipeSha256: string; chainSha256: string };
const workers: Command[] = [];

async function worker(env: Record<string, string> = {}): Promise<Command> {
  const started = await startWorker(at, env);
  workers.push(started);
  return started;
}

async function epochHashes(runId: string): Promise<string[]> {
  const rows = await at.db.epoch.findMany({ where: { runId }, orderBy: { epoch: 'asc' } });
  expect(rows.map(({ epoch }) => epoch)).toEqual(rows.map((_, i) => i + 1));
  return rows.map(({ weightsSha256 }) => weightsSha256);
}

/** Everything that may be asked of a run that survived. */
async function expectUndisturbed(runId: string): Promise<void> {
  const run = await ended(at, runId);
  expect(run).toMatchObject({ status: 'succeeded', stopReason: 'completed', epoch: epochs });
  const { weightsSha256, results, recipeSha256, chainSha256 } = run;
  expect({ weightsSha256, results, epochHashes: await epochHashes(runId) }).toEqual(undisturbed);
  // The chain starts from the whole spec, of which some says only how it is trained.
  if (recipeSha256 === receipt.recipeSha256) expect(chainSha256).toBe(receipt.chainSha256);
  const events = await eventsOf(at, runId);
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, i) => i + 1));
  expect(events.filter(({ type }) => type === 'epoch')).toHaveLength(epochs);
  expect(events.filter(({ type }) => type === 'done')).toHaveLength(1);
}

const newestFirst = [{ epoch: 'desc' }, { stepsWithin: 'desc' }] as const;

interface Place {
  readonly epoch: number;
  readonly stepsWithin: number;
}

/** Newest first. */
function statesOf(runId: string): Promise<Place[]> {
  const select = { epoch: true, stepsWithin: true } as const;
  return at.db.checkpoint.findMany({ where: { runId, role: 'state' }, orderBy: [...newestFirst], select });
}

/** Turns a bit. */
async function damage(runId: string, place: Place | undefined): Promise<void> {
  const changed = await at.db.$executeRaw`
    UPDATE "Checkpoint" SET "bytes" = set_byte("bytes", 2000, get_byte("bytes", 2000) # 1)
    WHERE "runId" = ${runId}::uuid AND "role" = 'state' AND "epoch" = ${place?.epoch}
      AND "stepsWithin" = ${place?.stepsWithin}`;
  expect(changed).toBe(1);
}

async function logsOf(runId: string): Promise<unknown[]> {
  const logs = (await eventsOf(at, runId)).filter(({ type }) => type === 'log');
  return logs.map(({ data }) => (data as { message?: string }).message);
}

function named(place: Place | undefined): string {
  const steps = place?.stepsWithin === 0 ? '' : ` and ${place?.stepsWithin} steps`;
  return `epoch ${place?.epoch}${steps}`;
}

beforeAll(async () => {
  at = await runDatabase(process.env.TEST_DATABASE_URL ?? '');
  digits = await insertExample(at, 'digits');
  const runId = await queueTraining(at, digits, { epochs, units });
  const first = await worker();
  const { weightsSha256, results, recipeSha256, chainSha256 } = await ended(at, runId);
  receipt = { recipeSha256, chainSha256 };
  undisturbed = { weightsSha256, results, epochHashes: await epochHashes(runId) };
  expect(undisturbed.epochHashes).toHaveLength(epochs);
  expect(await endWorker(first, 'SIGTERM')).toBe(0);
});
afterEach(async () => {
  await Promise.all(workers.splice(0).map((each) => endWorker(each, 'SIGKILL')));
});
afterAll(() => at.drop());

describe('a run whose worker', () => {
  it.each([1, 7, 20])('is killed after epoch %i is finished by the next one', async (epoch) => {
    const runId = await queueTraining(at, digits, { epochs, units });
    const victim = await worker();
    await reachesEpoch(at, runId, epoch);
    await endWorker(victim, 'SIGKILL');
    expect((await readRun(at, runId)).status).toBe('running');
    await worker();
    await expectUndisturbed(runId);
    expect((await readRun(at, runId)).fence).toBe(2);
  });

  it('is told to stop goes on where it stopped, without counting as a crash', async () => {
    const runId = await queueTraining(at, digits, { epochs, units });
    const first = await worker();
    await reachesEpoch(at, runId, 5);
    expect(await endWorker(first, 'SIGTERM')).toBe(0);
    const left = await readRun(at, runId);
    expect(left).toMatchObject({ status: 'queued', restarts: 0, workerId: null });
    const [latest] = await at.db.checkpoint.findMany({
      where: { runId, role: 'state' },
      orderBy: [...newestFirst],
    });
    expect(latest?.epoch).toBe(left.epoch);
    await worker();
    await expectUndisturbed(runId);
  });

  it('is frozen while another takes over writes nothing when it wakes, and stays useful', async () => {
    const runId = await queueTraining(at, digits, { epochs, units });
    const zombie = await worker();
    await reachesEpoch(at, runId, 3);
    zombie.child.kill('SIGSTOP');
    await expireLease(at, runId);
    const heir = await worker();
    await until(async () => (await readRun(at, runId)).fence === 2, 'the run to be taken over', 60_000);
    zombie.child.kill('SIGCONT');
    await expectUndisturbed(runId);
    await endWorker(heir, 'SIGKILL');
    const next = await queueTraining(at, digits, { epochs, units });
    await expectUndisturbed(next);
    expect(zombie.child.exitCode).toBeNull();
  });
});

describe('a run of one long epoch', () => {
  const long = { epochs: 1, units: 8192, batchSize: 1, everySeconds: 0.5 };

  it('goes on within it after its worker was killed, and ends the same', async () => {
    const alone = await queueTraining(at, digits, long);
    const first = await worker();
    const { weightsSha256, results } = await ended(at, alone);
    const runId = await queueTraining(at, digits, long);
    await until(async () => (await statesOf(runId)).length > 0, 'a state within the epoch');
    await endWorker(first, 'SIGKILL');
    const [state] = await statesOf(runId);
    expect(state).toMatchObject({ epoch: 0, stepsWithin: expect.any(Number) });
    expect(state?.stepsWithin).toBeGreaterThan(0);
    expect((await readRun(at, runId)).epoch).toBe(0);
    const second = await worker({ LOG_LEVEL: 'info' });
    expect(await ended(at, runId)).toMatchObject({ status: 'succeeded', weightsSha256, results });
    expect(second.output()).toContain(`goes on from epoch 0 and ${state?.stepsWithin} steps`);
  });
});

describe('a damaged', () => {
  it('checkpoint is refused for the one before it, says so, and ends the same', async () => {
    const longer = { epochs, units: 1_024, batchSize: 4, everySeconds: 0.5 };
    const alone = await queueTraining(at, digits, longer);
    const first = await worker();
    const { weightsSha256, results } = await ended(at, alone);
    const runId = await queueTraining(at, digits, longer);
    await until(async () => (await statesOf(runId)).length === 2, 'two states');
    await endWorker(first, 'SIGKILL');
    const [newest, before] = await statesOf(runId);
    await damage(runId, newest);
    const second = await worker({ LOG_LEVEL: 'info' });
    expect(await ended(at, runId)).toMatchObject({ status: 'succeeded', weightsSha256, results });
    expect(await epochHashes(runId)).toEqual(await epochHashes(alone));
    expect(await logsOf(runId)).toEqual([
      `The checkpoint of ${named(newest)} is damaged; the training goes on from the one of ${named(before)}.`,
    ]);
    expect(second.output()).toContain(`goes on from epoch ${before?.epoch} and ${before?.stepsWithin} steps`);
  });

  it('checkpoint without one before it makes the run start over', async () => {
    const runId = await queueTraining(at, digits, { epochs, units });
    const first = await worker();
    await reachesEpoch(at, runId, 5);
    await endWorker(first, 'SIGTERM');
    const states = await statesOf(runId);
    expect(states).toHaveLength(1);
    await damage(runId, states[0]);
    await worker();
    await expectUndisturbed(runId);
    expect(await logsOf(runId)).toEqual([
      `The checkpoint of ${named(states[0])} is damaged; the training goes on from the start.`,
    ]);
  });

  it('dataset fails its run with a reason, and only its run', async () => {
    const broken = await insertExample(at, 'digits');
    await at.db.$executeRaw`
      UPDATE "DatasetChunk" SET "bytes" = set_byte("bytes", 100, get_byte("bytes", 100) # 1)
      WHERE "datasetId" = ${broken}::uuid AND "index" = 1`;
    const failing = await queueTraining(at, broken, { epochs, units });
    const healthy = await queueTraining(at, digits, { epochs, units });
    await worker();
    expect(await ended(at, failing)).toMatchObject({
      status: 'failed',
      stopReason: 'invalidData',
      failure: { code: 'invalidData', detail: 'The stored dataset is damaged in part 2.' },
    });
    await expectUndisturbed(healthy);
  });
});

describe('a run that cannot end well', () => {
  it('fails with its numbers readable when it diverges', async () => {
    const runId = await queueTraining(at, digits, { epochs, learningRate: 1e30 });
    await worker();
    const run = await ended(at, runId);
    expect(run).toMatchObject({ status: 'failed', stopReason: 'diverged', failure: { code: 'diverged' } });
    const last = await at.db.epoch.findFirstOrThrow({ where: { runId }, orderBy: { epoch: 'desc' } });
    expect(last.diverged).toBe(true);
    expect(await at.db.checkpoint.count({ where: { runId, role: 'model' } })).toBe(1);
  });

  it('fails with invalidData when its columns are gone', async () => {
    const iris = await insertExample(at, 'iris');
    const runId = await queueTraining(at, iris, { target: 'digit' });
    await worker();
    expect(await ended(at, runId)).toMatchObject({
      status: 'failed',
      failure: { code: 'invalidData', detail: expect.stringContaining('digit') },
    });
  });
});
