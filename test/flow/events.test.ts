// Epochs are events that lie in a table of their own: whoever reads a run's events sees one sequence.
import { randomUUID } from 'node:crypto';
import sql from 'sql-template-tag';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { appendEvents, eventsAfter } from '../../src/runs/events-store.ts';
import { claimRun } from '../../src/runs/lease-store.ts';
import { appendLog, commitEpochs, finishRun } from '../../src/runs/progress-store.ts';
import { listEvents, readNews } from '../../src/runs/store.ts';
import { claimant, eventsOf, insertRun, type RunDatabase, runDatabase } from './support/lifecycle.ts';

let at: RunDatabase;
beforeAll(async () => {
  at = await runDatabase(process.env.TEST_DATABASE_URL ?? '');
});
afterAll(() => at.drop());

const epoch = (n: number, over: object = {}) => ({
  ...{ epoch: n, metrics: { loss: 1 / n }, diverged: false, bestEpoch: n, etaSeconds: n / 3 },
  ...{ weightsSha256: '', chainSha256: '', durationMs: 1 },
  ...over,
});

/** Epochs in groups, with other events between them. */
async function eventfulRun(): Promise<string> {
  const runId = await insertRun(at);
  await appendEvents(at.sql, runId, [{ type: 'status', data: { status: 'queued' } }]);
  const claimed = await claimRun(at.sql, runId, claimant());
  if (claimed === null) throw new Error('the run could not be claimed');
  const commit = (...epochs: ReturnType<typeof epoch>[]) =>
    commitEpochs(at.sql, claimed.hold, { epochs, checkpoint: null });
  await commit(epoch(1), epoch(2));
  await appendLog(at.sql, claimed.hold, 'a');
  await appendLog(at.sql, claimed.hold, 'b');
  await commit(
    epoch(3, { diverged: true, metrics: { loss: Number.NaN }, etaSeconds: Number.POSITIVE_INFINITY }),
  );
  await appendLog(at.sql, claimed.hold, 'c');
  const last = { epochs: [epoch(3), epoch(4), epoch(5)], checkpoint: null };
  await finishRun(at.sql, claimed.hold, { action: 'succeed', stopReason: 'completed' }, last);
  return runId;
}

describe('the events of a run', () => {
  it('are numbered as they came, epochs among them', async () => {
    const events = await eventsOf(at, await eventfulRun());
    expect(events.map(({ sequence, type }) => `${sequence} ${type}`)).toEqual([
      ...['1 status', '2 status', '3 epoch', '4 epoch', '5 log', '6 log', '7 epoch', '8 log'],
      ...['9 epoch', '10 epoch', '11 status', '12 done'],
    ]);
    expect(events.filter(({ type }) => type === 'epoch').map(({ data }) => data)).toEqual([
      { epoch: 1, epochs: 10, metrics: { loss: 1 }, etaSeconds: 1 / 3 },
      { epoch: 2, epochs: 10, metrics: { loss: 1 / 2 }, etaSeconds: 2 / 3 },
      { epoch: 3, epochs: 10, metrics: { loss: null }, diverged: true, etaSeconds: null },
      { epoch: 4, epochs: 10, metrics: { loss: 1 / 4 }, etaSeconds: 4 / 3 },
      { epoch: 5, epochs: 10, metrics: { loss: 1 / 5 }, etaSeconds: 5 / 3 },
    ]);
  });

  it('can be read from any of them on, as many as wanted, as a page and as news', async () => {
    const runId = await eventfulRun();
    const all = await eventsOf(at, runId);
    const run = { projectId: at.projectId, id: runId };
    for (let after = 0; after <= all.length + 1; after++) {
      for (const count of [1, 2, 3, 5, 100]) {
        const expected = all.slice(after, after + count);
        expect(await listEvents(at.db, runId, after, count)).toEqual(expected);
        expect(await readNews(at.db, run, after, count)).toEqual({ ended: true, events: expected });
      }
    }
  });

  it('are read with one plan a connection', async () => {
    const run = { projectId: at.projectId, id: await eventfulRun() };
    const plans = await at.db.$transaction(async (tx) => {
      for (let after = 0; after < 3; after++) await readNews(tx, run, after, 10 + after);
      return tx.$queryRaw<{ calls: number }[]>`
        SELECT (generic_plans + custom_plans)::int AS calls FROM pg_prepared_statements
        WHERE statement LIKE '%run."status", event.*%' AND statement NOT LIKE '%pg_prepared_statements%'`;
    });
    expect(plans).toHaveLength(1);
    expect(plans[0]?.calls).toBeGreaterThanOrEqual(3);
  });

  it('cost a long run no more than a short one', async () => {
    const long = await insertRun(at, { epochsPlanned: 100_000 });
    await at.db.$executeRaw`
      INSERT INTO "RunEvent" ("runId", "sequence", "type", "data")
      SELECT ${long}::uuid, n, 'log', '{"message": ""}' FROM unnest(ARRAY[1, 2, 50002, 99997]) AS n`;
    await at.db.$executeRaw`
      INSERT INTO "Epoch" ("runId", "epoch", "sequence", "metrics", "weightsSha256", "chainSha256", "durationMs")
      SELECT ${long}::uuid, n, n + 2 + (n >= 50000)::int + (n >= 99994)::int, '{}', '', '', 1
      FROM generate_series(1, 100000) AS n`;
    for (const after of [0, 49_990, 99_990]) {
      const sequences = (await listEvents(at.db, long, after, 20)).map(({ sequence }) => sequence);
      const first = after + 1;
      expect(sequences).toEqual(Array.from({ length: Math.min(20, 100_004 - after) }, (_, i) => first + i));
      expect(await pagesRead(long, after)).toBeLessThan(30);
    }
    await at.db.$executeRaw`ANALYZE`;
    for (const after of [0, 49_990, 99_990]) expect(await pagesRead(long, after)).toBeLessThan(30);
  });
});

/** Of Postgres' pages. */
async function pagesRead(runId: string, after: number): Promise<number> {
  interface Explained {
    'QUERY PLAN': readonly [{ Plan: Record<'Shared Hit Blocks' | 'Shared Read Blocks', number> }];
  }
  const [row] = await at.db.$queryRaw<Explained[]>(sql`
    EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)
    SELECT event.* FROM "Run" AS run, ${eventsAfter(after, 20)} AS event
    WHERE run."id" = ${runId}::uuid ORDER BY event."sequence"`);
  const blocks = row?.['QUERY PLAN'][0].Plan;
  return (blocks?.['Shared Hit Blocks'] ?? Number.NaN) + (blocks?.['Shared Read Blocks'] ?? Number.NaN);
}

describe('the epochs of a run', () => {
  it('go with it when it is deleted, alone, with others, or with its project', async () => {
    const kept = await eventfulRun();
    const expectGone = async (runId: string) => {
      expect(await at.db.epoch.count({ where: { runId } })).toBe(0);
      expect(await eventsOf(at, kept)).toHaveLength(12);
    };
    const alone = await eventfulRun();
    await at.db.run.delete({ where: { id: alone } });
    await expectGone(alone);

    const together = [await eventfulRun(), await eventfulRun()];
    await at.sql.$executeRaw`DELETE FROM "Run" WHERE "id" = ANY(${together}::uuid[])`;
    for (const id of together) await expectGone(id);

    const other = await at.db.project.create({ data: { id: randomUUID(), name: 'other' } });
    const ofOther = await eventfulRun();
    await at.db.run.update({ where: { id: ofOther }, data: { projectId: other.id } });
    await at.db.project.delete({ where: { id: other.id } });
    await expectGone(ofOther);
  });
});
