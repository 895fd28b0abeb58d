import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SqlPool } from '../../src/db/sql.ts';
import { controlRun } from '../../src/runs/control-store.ts';
import {
  type ClaimedRun,
  claimNextRun,
  claimRun,
  type Hold,
  releaseRun,
  renewLease,
  requeueExpired,
  surrenderRun,
} from '../../src/runs/lease-store.ts';
import {
  appendLog,
  commitEpochs,
  discardState,
  type FinishedEpoch,
  finishRun,
  listStates,
} from '../../src/runs/progress-store.ts';
import { restartsMax } from '../../src/runs/status.ts';
import {
  claimant,
  eventsOf,
  expireLease,
  insertRun,
  type RunDatabase,
  runDatabase,
} from './support/lifecycle.ts';

let at: RunDatabase;
beforeAll(async () => {
  at = await runDatabase(process.env.TEST_DATABASE_URL ?? '');
});
afterAll(() => at.drop());

const worker = claimant();

async function claimed(runId: string): Promise<ClaimedRun> {
  const run = await claimRun(at.sql, runId, worker);
  if (run === null) {
    throw new Error('the run was not queued');
  }
  return run;
}

const epoch = (n: number, metrics: Record<string, number> = { loss: 1 / n }): FinishedEpoch => ({
  epoch: n,
  metrics,
  diverged: false,
  weightsSha256: `hash of ${n}`,
  chainSha256: `chain of ${n}`,
  durationMs: 1.5,
  bestEpoch: n,
  etaSeconds: 0,
});
const readRun = (id: string) => at.db.run.findUniqueOrThrow({ where: { id } });
const epochsOf = async (runId: string) =>
  (await at.db.epoch.findMany({ where: { runId }, orderBy: { epoch: 'asc' } })).map((row) => row.epoch);

async function expectGaplessEvents(runId: string): Promise<void> {
  const events = await eventsOf(at, runId);
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, i) => i + 1));
  expect((await readRun(runId)).eventSequence).toBe(events.length);
}

describe('a claim', () => {
  it('is given to one of ten workers', async () => {
    const runId = await insertRun(at);
    const claims = await Promise.all(Array.from({ length: 10 }, () => claimRun(at.sql, runId, worker)));
    expect(claims.filter((claim) => claim !== null)).toHaveLength(1);
    expect(await readRun(runId)).toMatchObject({ status: 'running', fence: 1, restarts: 1 });
    await expectGaplessEvents(runId);
  });

  it('without a ticket takes the oldest queued run', async () => {
    const younger = await insertRun(at, { createdAt: new Date('2001-01-02') });
    const older = await insertRun(at, { createdAt: new Date('2001-01-01') });
    expect((await claimNextRun(at.sql, worker))?.hold.runId).toBe(older);
    expect((await claimNextRun(at.sql, worker))?.hold.runId).toBe(younger);
  });

  it('sets the lease by the clock of the database', async () => {
    const { hold } = await claimed(await insertRun(at));
    expect(await renewLease(at.sql, hold, 3600)).toBe('running');
    const rows = await at.db.$queryRaw<{ seconds: number }[]>`
      SELECT extract(epoch FROM "leaseExpiresAt" - now())::float8 AS seconds
      FROM "Run" WHERE "id" = ${hold.runId}::uuid`;
    expect(rows[0]?.seconds).toBeGreaterThan(3500);
    expect(rows[0]?.seconds).toBeLessThanOrEqual(3600);
  });
});

describe('an attempt', () => {
  it('is recorded with each claim, with who trained, on what, and from where', async () => {
    const runId = await insertRun(at);
    const { hold } = await claimed(runId);
    await commitEpochs(at.sql, hold, { epochs: [epoch(1), epoch(2)], checkpoint: null });
    await releaseRun(at.sql, hold);
    const engine = { backend: 'native', isa: 'avx2', version: '9' } as const;
    await claimRun(at.sql, runId, { ...claimant('other'), engine });
    expect(await claimRun(at.sql, runId, claimant('late'))).toBeNull();
    const attempts = await at.db.runAttempt.findMany({ where: { runId }, orderBy: { fence: 'asc' } });
    expect(attempts).toEqual([
      {
        ...{ runId, fence: 1, workerId: 'worker', backend: 'wasm', isa: null, engineVersion: '1' },
        ...{ fromEpoch: 0, startedAt: expect.any(Date) },
      },
      {
        ...{ runId, fence: 2, workerId: 'other', backend: 'native', isa: 'avx2', engineVersion: '9' },
        ...{ fromEpoch: 2, startedAt: expect.any(Date) },
      },
    ]);
  });
});

describe('a commit', () => {
  it('stores epochs, their events and the checkpoint together', async () => {
    const runId = await insertRun(at);
    const { hold } = await claimed(runId);
    const checkpoint = {
      epoch: 2,
      stepsWithin: 0,
      withinMs: 0,
      bytes: new TextEncoder().encode('123456789'),
    };
    const wanted = await commitEpochs(at.sql, hold, {
      epochs: [epoch(1), epoch(2, { loss: Number.NaN, accuracy: 0.5 })],
      checkpoint,
    });
    expect(wanted).toBe('running');
    const rows = await at.db.epoch.findMany({ where: { runId }, orderBy: { epoch: 'asc' } });
    expect(rows.map(({ metrics }) => metrics)).toEqual([{ loss: 1 }, { loss: null, accuracy: 0.5 }]);
    expect(await readRun(runId)).toMatchObject({
      epoch: 2,
      bestEpoch: 2,
      chainSha256: 'chain of 2',
      restarts: 0,
    });
    expect(rows.map(({ chainSha256 }) => chainSha256)).toEqual(['chain of 1', 'chain of 2']);
    expect(await at.db.checkpoint.findMany({ where: { runId } })).toMatchObject([
      // The check value of CRC-32.
      { role: 'state', epoch: 2, sha256: null, crc32: 'cbf43926', byteLength: 9n, bytes: checkpoint.bytes },
    ]);
    expect((await eventsOf(at, runId)).map(({ type, data }) => ({ type, data }))).toEqual([
      { type: 'status', data: { status: 'running' } },
      { type: 'epoch', data: { epoch: 1, epochs: 10, metrics: { loss: 1 }, etaSeconds: 0 } },
      {
        type: 'epoch',
        data: { epoch: 2, epochs: 10, metrics: { loss: null, accuracy: 0.5 }, etaSeconds: 0 },
      },
    ]);
    await expectGaplessEvents(runId);
  });

  it('passes over what is stored, so that a lost answer may be asked for again', async () => {
    const runId = await insertRun(at);
    const { hold } = await claimed(runId);
    await commitEpochs(at.sql, hold, { epochs: [epoch(1), epoch(2)], checkpoint: null });
    await commitEpochs(at.sql, hold, { epochs: [epoch(1), epoch(2), epoch(3)], checkpoint: null });
    await commitEpochs(at.sql, hold, { epochs: [epoch(3)], checkpoint: null });
    expect(await epochsOf(runId)).toEqual([1, 2, 3]);
    expect(await eventsOf(at, runId)).toHaveLength(4);
  });

  it('loses nothing and doubles nothing while others write to the same run', async () => {
    const runId = await insertRun(at);
    const { hold } = await claimed(runId);
    const groups = Array.from({ length: 20 }, (_, i) => [epoch(i * 2 + 1), epoch(i * 2 + 2)]);
    const commits = async () => {
      for (const epochs of groups) {
        const again = () => commitEpochs(at.sql, hold, { epochs, checkpoint: null });
        expect(await Promise.all([again(), again()])).toEqual(['running', 'running']);
      }
    };
    const logs = async () => {
      for (let i = 0; i < 30; i++) expect(await appendLog(at.sql, hold, `line ${i}`)).toBe(true);
    };
    const renewals = async () => {
      for (let i = 0; i < 30; i++) expect(await renewLease(at.sql, hold, 60)).toBe('running');
    };
    await Promise.all([commits(), logs(), renewals()]);
    expect(await epochsOf(runId)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    const events = await eventsOf(at, runId);
    const told = events.flatMap(({ type, data }) =>
      type === 'epoch' && data !== null && typeof data === 'object' && 'epoch' in data ? [data.epoch] : [],
    );
    expect(told).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    expect(events.filter(({ type }) => type === 'log')).toHaveLength(30);
    await expectGaplessEvents(runId);
  });

  it('refuses a gap', async () => {
    const { hold } = await claimed(await insertRun(at));
    await expect(commitEpochs(at.sql, hold, { epochs: [epoch(2)], checkpoint: null })).rejects.toThrow(
      'does not follow',
    );
    expect(await epochsOf(hold.runId)).toEqual([]);
  });

  it('are stored, or refused aloud, when those before them come at the same moment', async () => {
    const { hold } = await claimed(await insertRun(at));
    let isFirst = true;
    /** What is asked first finds no epoch stored; before anything else is asked, two are. */
    const overtaken: SqlPool = {
      ...at.sql,
      $queryRaw: async <T>(...query: Parameters<SqlPool['$queryRaw']>) => {
        const rows = await at.sql.$queryRaw<T>(...query);
        if (isFirst) {
          isFirst = false;
          await commitEpochs(at.sql, hold, { epochs: [epoch(1), epoch(2)], checkpoint: null });
        }
        return rows;
      },
    };
    expect(await commitEpochs(overtaken, hold, { epochs: [epoch(3)], checkpoint: null })).toBe('running');
    expect(await at.db.run.findUnique({ where: { id: hold.runId } })).toMatchObject({ epoch: 3 });
    await expectGaplessEvents(hold.runId);
  });
});

describe('a stale fence', () => {
  it('writes nothing, whatever it tries', async () => {
    const runId = await insertRun(at);
    const { hold: stale } = await claimed(runId);
    await commitEpochs(at.sql, stale, { epochs: [epoch(1)], checkpoint: null });
    await expireLease(at, runId);
    expect(await requeueExpired(at.sql)).toContain(runId);
    await expectRefused(stale);
    const { hold } = await claimed(runId);
    expect(hold.fence).toBe(2);
    await expectRefused(stale);
    expect(await commitEpochs(at.sql, hold, { epochs: [epoch(2)], checkpoint: null })).toBe('running');
    expect(await epochsOf(runId)).toEqual([1, 2]);
    await expectGaplessEvents(runId);
  });

  async function expectRefused(stale: Hold): Promise<void> {
    const before = [await readRun(stale.runId), await eventsOf(at, stale.runId)];
    const checkpoint = { epoch: 2, stepsWithin: 0, withinMs: 0, bytes: new Uint8Array(1) };
    expect(await renewLease(at.sql, stale, 15)).toBe('lost');
    expect(await commitEpochs(at.sql, stale, { epochs: [epoch(2)], checkpoint })).toBe('lost');
    expect(await finishRun(at.sql, stale, { action: 'succeed', stopReason: 'completed' })).toBe(false);
    expect(await releaseRun(at.sql, stale)).toBeNull();
    expect(await surrenderRun(at.sql, stale)).toBeNull();
    expect(await at.db.checkpoint.count({ where: { runId: stale.runId } })).toBe(0);
    expect([await readRun(stale.runId), await eventsOf(at, stale.runId)]).toEqual(before);
  }
});

describe('letting go', () => {
  it('by release does not count as a crash', async () => {
    const { hold } = await claimed(await insertRun(at));
    expect(await releaseRun(at.sql, hold)).toBe('queued');
    expect(await readRun(hold.runId)).toMatchObject({ status: 'queued', restarts: 0, ticketedAt: null });
  });

  it('by expiry ends the run once it has been tried too often without a new epoch', async () => {
    const runId = await insertRun(at);
    for (let attempt = 1; attempt <= restartsMax; attempt++) {
      const { hold } = await claimed(runId);
      if (attempt === 1) {
        // Progress forgives what came before.
        await surrenderRun(at.sql, hold);
        await commitEpochs(at.sql, (await claimed(runId)).hold, { epochs: [epoch(1)], checkpoint: null });
        await expireLease(at, runId);
        await requeueExpired(at.sql);
        await claimed(runId);
      }
      expect((await readRun(runId)).status).toBe('running');
      await expireLease(at, runId);
      await requeueExpired(at.sql);
    }
    expect(await readRun(runId)).toMatchObject({
      status: 'failed',
      stopReason: 'crashLoop',
      failure: { code: 'crashLoop' },
    });
    expect((await eventsOf(at, runId)).at(-1)?.type).toBe('done');
    await expectGaplessEvents(runId);
  });

  it('by expiry while cancelling cancels', async () => {
    const { hold } = await claimed(await insertRun(at));
    await controlRun(at.db, at.projectId, hold.runId, 'cancel');
    await expireLease(at, hold.runId);
    await requeueExpired(at.sql);
    expect(await readRun(hold.runId)).toMatchObject({ status: 'cancelled', stopReason: 'user' });
  });
});

describe('the end', () => {
  it('stores results, hash, model and the last event together', async () => {
    const { hold } = await claimed(await insertRun(at));
    const ended = await finishRun(at.sql, hold, {
      action: 'succeed',
      stopReason: 'earlyStopped',
      results: { loss: 0.5, validationLoss: Number.POSITIVE_INFINITY },
      weightsSha256: 'weights',
      bestEpoch: 3,
      model: { epoch: 3, stepsWithin: 0, withinMs: 0, sha256: 'model', bytes: new Uint8Array(8) },
    });
    expect(ended).toBe(true);
    expect(await readRun(hold.runId)).toMatchObject({
      status: 'succeeded',
      stopReason: 'earlyStopped',
      results: { loss: 0.5, validationLoss: null },
      weightsSha256: 'weights',
      bestEpoch: 3,
      leaseExpiresAt: null,
      workerId: null,
    });
    expect(await at.db.checkpoint.findMany({ where: { runId: hold.runId } })).toMatchObject([
      { role: 'model', epoch: 3, sha256: 'model' },
    ]);
    const done = (await eventsOf(at, hold.runId)).at(-1);
    expect(done).toMatchObject({
      type: 'done',
      data: { status: 'succeeded', stopReason: 'earlyStopped', weightsSha256: 'weights' },
    });
  });

  it('comes in one piece with the last epochs', async () => {
    const runId = await insertRun(at);
    const { hold } = await claimed(runId);
    await commitEpochs(at.sql, hold, { epochs: [epoch(1)], checkpoint: null });
    const checkpoint = { epoch: 3, stepsWithin: 0, withinMs: 0, bytes: new Uint8Array([3]) };
    const outcome = {
      action: 'succeed',
      stopReason: 'completed',
      bestEpoch: 2,
      model: { epoch: 2, stepsWithin: 0, withinMs: 0, sha256: 'model', bytes: new Uint8Array([2]) },
    } as const;
    const last = { epochs: [epoch(1), epoch(2), epoch(3)], checkpoint };
    expect(await finishRun(at.sql, hold, outcome, last)).toBe(true);
    expect(await readRun(runId)).toMatchObject({ status: 'succeeded', epoch: 3, bestEpoch: 2, restarts: 0 });
    expect(await epochsOf(runId)).toEqual([1, 2, 3]);
    const stored = await at.db.checkpoint.findMany({ where: { runId }, orderBy: { role: 'asc' } });
    expect(stored.map(({ role, epoch: of, sha256 }) => `${role} ${of} ${sha256}`)).toEqual([
      'state 3 null',
      'model 2 model',
    ]);
    const types = (await eventsOf(at, runId)).map(({ type }) => type);
    expect(types).toEqual(['status', 'epoch', 'epoch', 'epoch', 'status', 'done']);
    await expectGaplessEvents(runId);
    // Asked again because its answer was lost, it finds nothing to do.
    expect(await finishRun(at.sql, hold, outcome, last)).toBe(false);
    await expectGaplessEvents(runId);
  });

  it('keeps the last epochs of a run that was cancelled meanwhile, and no model', async () => {
    const runId = await insertRun(at);
    const { hold } = await claimed(runId);
    await controlRun(at.db, at.projectId, runId, 'cancel');
    const model = { epoch: 2, stepsWithin: 0, withinMs: 0, sha256: 'model', bytes: new Uint8Array(1) };
    const ended = await finishRun(
      at.sql,
      hold,
      { action: 'succeed', stopReason: 'completed', results: { loss: 1 }, bestEpoch: 2, model },
      { epochs: [epoch(1), epoch(2)], checkpoint: null },
    );
    expect(ended).toBe(true);
    expect(await readRun(runId)).toMatchObject({
      status: 'cancelled',
      stopReason: 'user',
      epoch: 2,
      results: null,
    });
    expect(await at.db.checkpoint.count({ where: { runId } })).toBe(0);
    await expectGaplessEvents(runId);
  });

  it('with a gap before it is refused as a whole', async () => {
    const { hold } = await claimed(await insertRun(at));
    const last = { epochs: [epoch(2)], checkpoint: null };
    const ended = finishRun(at.sql, hold, { action: 'succeed', stopReason: 'completed' }, last);
    await expect(ended).rejects.toThrow('does not follow');
    expect(await readRun(hold.runId)).toMatchObject({ status: 'running', epoch: 0 });
  });

  it('is one and only one when a cancel races it', async () => {
    for (let round = 0; round < 20; round++) {
      const { hold } = await claimed(await insertRun(at));
      const [ended, cancel] = await Promise.all([
        finishRun(at.sql, hold, { action: 'succeed', stopReason: 'completed' }),
        controlRun(at.db, at.projectId, hold.runId, 'cancel'),
      ]);
      expect(ended).toBe(true);
      const run = await readRun(hold.runId);
      expect(run.status).toBe(cancel.outcome === 'accepted' ? 'cancelled' : 'succeeded');
      const events = await eventsOf(at, hold.runId);
      expect(events.filter(({ type }) => type === 'done')).toHaveLength(1);
      await expectGaplessEvents(hold.runId);
    }
  });
});

describe('the training states of a run', () => {
  const state = (n: number, stepsWithin = 0) => ({
    epoch: n,
    stepsWithin,
    withinMs: 0,
    bytes: new Uint8Array([n, stepsWithin]),
  });
  const kept = async (runId: string) =>
    (await listStates(at.sql, runId)).map((place) => `state ${place.epoch}.${place.stepsWithin}`);

  it('are the newest and the one before it', async () => {
    const { hold } = await claimed(await insertRun(at));
    await commitEpochs(at.sql, hold, { epochs: [], checkpoint: state(0, 9) });
    expect(await kept(hold.runId)).toEqual(['state 0.9']);
    await commitEpochs(at.sql, hold, { epochs: [epoch(1)], checkpoint: state(1) });
    expect(await kept(hold.runId)).toEqual(['state 1.0', 'state 0.9']);
    await commitEpochs(at.sql, hold, { epochs: [], checkpoint: state(1, 4) });
    await commitEpochs(at.sql, hold, { epochs: [], checkpoint: state(1, 4) });
    expect(await kept(hold.runId)).toEqual(['state 1.4', 'state 1.0']);
  });

  it('are also those after every so many epochs, where the spec says so', async () => {
    const spec = { training: { checkpoints: { keepEvery: 2 } } };
    const { hold } = await claimed(await insertRun(at, { spec }));
    for (const n of [1, 2, 3, 4, 5, 6]) {
      await commitEpochs(at.sql, hold, { epochs: [epoch(n)], checkpoint: state(n) });
      await commitEpochs(at.sql, hold, { epochs: [], checkpoint: state(n, 1) });
    }
    expect(await kept(hold.runId)).toEqual(['state 6.1', 'state 6.0', 'state 4.0', 'state 2.0']);
  });

  it('lose a damaged one with a word to the client, and not to a stale hold', async () => {
    const { hold } = await claimed(await insertRun(at));
    await commitEpochs(at.sql, hold, { epochs: [epoch(1)], checkpoint: state(1) });
    const stale = { ...hold, fence: hold.fence - 1 };
    expect(await discardState(at.sql, stale, state(1), 'It is damaged.')).toBe(false);
    expect(await kept(hold.runId)).toEqual(['state 1.0']);
    expect(await discardState(at.sql, hold, state(1), 'It is damaged.')).toBe(true);
    expect(await kept(hold.runId)).toEqual([]);
    expect((await eventsOf(at, hold.runId)).at(-1)).toMatchObject({
      type: 'log',
      data: { message: 'It is damaged.' },
    });
    await expectGaplessEvents(hold.runId);
  });

  it('count as progress: a run that gets on within an epoch is in no crash loop', async () => {
    const { hold } = await claimed(await insertRun(at));
    expect((await readRun(hold.runId)).restarts).toBe(1);
    await commitEpochs(at.sql, hold, { epochs: [], checkpoint: state(0, 3) });
    expect((await readRun(hold.runId)).restarts).toBe(0);
  });
});
