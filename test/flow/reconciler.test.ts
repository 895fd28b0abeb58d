import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tryAdvisoryLock } from '../../src/db/advisory-lock.ts';
import { createLog } from '../../src/log.ts';
import { createTicketQueue, type TicketQueue } from '../../src/queue/queue.ts';
import { findUnusedParts, inRowBytesMax } from '../../src/runs/checkpoint-store.ts';
import { claimRun } from '../../src/runs/lease-store.ts';
import { commitEpochs, readState } from '../../src/runs/progress-store.ts';
import { reconcile, startReconciler } from '../../src/runs/reconciler.ts';
import { openProxy } from '../chaos/places/proxy.ts';
import {
  claimant,
  eventsOf,
  expireLease,
  insertRun,
  type RunDatabase,
  runDatabase,
  until,
} from './support/lifecycle.ts';

const log = createLog('silent', 'test');
let at: RunDatabase;
let queue: TicketQueue;

beforeAll(async () => {
  at = await runDatabase(process.env.TEST_DATABASE_URL ?? '');
  queue = createTicketQueue({ databaseUrl: at.url, prefix: 'reconciler', log });
});
afterAll(async () => {
  await queue.close();
  await at.drop();
});

const deps = () => ({ db: at.db, databaseUrl: at.url, queue, log });
const readRun = (id: string) => at.db.run.findUniqueOrThrow({ where: { id } });
const drainTickets = async (count: number) => {
  const signal = new AbortController().signal;
  const got: (string | null)[] = [];
  while (got.length < count) {
    got.push(await queue.receive(signal));
  }
  return got;
};

describe('the reconciler', () => {
  it('sends tickets for runs that wait without one, and not for those that have one', async () => {
    const lost = await insertRun(at);
    const stale = await insertRun(at, { ticketedAt: new Date(Date.now() - 3_600_000) });
    const fresh = await insertRun(at, { ticketedAt: new Date(Date.now() + 3_600_000) });
    expect(await reconcile(deps())).toBe(true);
    expect(await queue.depth()).toBe(2);
    expect((await drainTickets(2)).sort()).toEqual([lost, stale].sort());
    expect((await readRun(lost)).ticketedAt).not.toBeNull();
    expect(await reconcile(deps())).toBe(true);
    expect(await queue.depth()).toBe(0);
    await at.db.run.deleteMany({ where: { id: { in: [lost, stale, fresh] } } });
  });

  it('gives up within seconds on a line that went silent', async () => {
    const url = new URL(at.url);
    const target = Number(url.port);
    const proxy = await openProxy(() => [target]);
    url.port = String(proxy.port);
    try {
      await expect(tryAdvisoryLock(url.href, 'reconcile', async () => proxy.silence())).resolves.toBe(true);
      await expect(tryAdvisoryLock(url.href, 'reconcile', async () => undefined)).rejects.toThrow();
    } finally {
      await proxy.close();
    }
    await expect.poll(() => reconcile(deps()), { timeout: 15_000 }).toBe(true);
  });

  it('drops the tables of checkpoints that are gone, and no others', async () => {
    const state = {
      ...{ epoch: 0, stepsWithin: 1, withinMs: 0 },
      bytes: new Uint8Array(inRowBytesMax + 1),
    };
    const runIds = [await insertRun(at), await insertRun(at)];
    for (const runId of runIds) {
      const run = await claimRun(at.sql, runId, claimant());
      await commitEpochs(at.sql, run?.hold ?? { runId, fence: 0 }, { epochs: [], checkpoint: state });
    }
    const [gone = '', kept = ''] = runIds;
    await at.db.checkpoint.deleteMany({ where: { runId: gone } });
    expect(await findUnusedParts(at.sql)).toHaveLength(1);
    expect(await reconcile(deps())).toBe(true);
    expect(await findUnusedParts(at.sql)).toEqual([]);
    expect(await readState(at.sql, kept, state)).toMatchObject({ whole: true });
    await at.db.run.deleteMany({ where: { id: { in: runIds } } });
  });

  it('takes a run back from a dead worker and rings for it, once, however many reconcile', async () => {
    const runId = await insertRun(at);
    await claimRun(at.db, runId, claimant('dead'));
    await expireLease(at, runId);
    const passes = await Promise.all(Array.from({ length: 5 }, () => reconcile(deps())));
    expect(passes).toContain(true);
    expect(await drainTickets(1)).toEqual([runId]);
    expect(await queue.depth()).toBe(0);
    expect((await eventsOf(at, runId)).map(({ data }) => data)).toEqual([
      { status: 'running' },
      { status: 'queued' },
    ]);
    await at.db.run.delete({ where: { id: runId } });
  });

  it('is not held up for long by one that froze with the lock', async () => {
    await new Promise<void>((held) => {
      const freeze = () => {
        held();
        return new Promise<void>(() => undefined);
      };
      tryAdvisoryLock(at.url, 'reconcile', freeze).catch(() => undefined);
    });
    expect(await reconcile(deps())).toBe(false);
    await until(() => reconcile(deps()), 'the lock to be free again');
  });

  it('forgets idempotency keys after a day', async () => {
    const key = (name: string, hours: number) => ({
      projectId: at.projectId,
      key: name,
      route: 'POST /v1/runs',
      bodySha256: '',
      createdAt: new Date(Date.now() - hours * 3_600_000),
    });
    await at.db.idempotencyKey.createMany({ data: [key('old', 25), key('young', 23)] });
    await reconcile(deps());
    expect((await at.db.idempotencyKey.findMany()).map((row) => row.key)).toEqual(['young']);
  });

  it('goes on after a pass in which the queue was away', async () => {
    const runId = await insertRun(at);
    let away = true;
    const flaky: TicketQueue = {
      ...queue,
      sendAll: (tickets) => (away ? Promise.reject(new Error('away')) : queue.sendAll(tickets)),
    };
    const reconciler = startReconciler({ ...deps(), queue: flaky }, 0.05);
    try {
      await until(async () => (await readRun(runId)).ticketedAt === null, 'a pass without the queue');
      away = false;
      expect(await drainTickets(1)).toEqual([runId]);
    } finally {
      await reconciler.stop();
    }
  });
});
