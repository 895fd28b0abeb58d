// A training thread may die in any manner: its run bears it, the process and the other runs do not.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../src/log.ts';
import { claimRun } from '../../src/runs/lease-store.ts';
import { startRun } from '../../workers/run.ts';
import { createDataCaches } from '../../workers/run-data.ts';
import { createThreadPool, type ThreadPool } from '../../workers/slots.ts';
import { claimant, insertRun, type RunDatabase, runDatabase } from '../flow/support/lifecycle.ts';

const log = createLog('silent', 'test');
let at: RunDatabase;
let threads: ThreadPool;

beforeAll(async () => {
  at = await runDatabase(process.env.TEST_DATABASE_URL ?? '');
  threads = createThreadPool(2, log, {
    entry: new URL('../flow/support/bad-thread.mjs', import.meta.url),
    heapMegabytesMax: 64,
  });
});
afterAll(async () => {
  await threads.close();
  await at.drop();
});

async function train(end: string) {
  const runId = await insertRun(at, { spec: { end } });
  const claimed = await claimRun(at.db, runId, claimant('test', 3));
  if (claimed === null) {
    throw new Error('the run was not queued');
  }
  const deps = {
    db: at.sql,
    caches: createDataCaches(),
    threads,
    threadsMax: 1,
    leaseSeconds: 3,
    stallSeconds: 2,
    log,
  };
  const { waits } = await startRun({ ...deps, backend: 'interpreter' }, claimed).ended;
  return { waits, run: await at.db.run.findUniqueOrThrow({ where: { id: runId } }) };
}

describe('a training thread that', () => {
  it.each(['exit', 'throw', 'nonsense', 'loop'])(
    'ends by %s leaves its run, with its epochs, to be tried again',
    async (end) => {
      const { waits, run } = await train(end);
      expect(waits).toBe(true);
      expect(run).toMatchObject({ status: 'queued', epoch: 1, fence: 1, leaseExpiresAt: null });
    },
  );

  it('runs out of memory fails its run for that reason', async () => {
    const { waits, run } = await train('exhaust');
    expect(waits).toBe(false);
    expect(run).toMatchObject({ status: 'failed', stopReason: 'outOfMemory', epoch: 1 });
  });

  it('never comes to stop does not hold up the end of another', async () => {
    const [looping, leaving] = await Promise.all([train('loop'), train('exit')]);
    expect(looping.run.status).toBe('queued');
    expect(leaving.run.status).toBe('queued');
  });
});
