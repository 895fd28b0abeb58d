// The checker of the chaos experiments has to see each promise broken, or its silence means nothing.
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { auditSql } from '../chaos/audit.ts';
import { type CheckedWorld, check, settle } from '../chaos/checker.ts';
import { type ExperimentDatabase, openDatabase } from '../chaos/database.ts';
import { insertDataset, insertRun, type RunDatabase, runDatabase } from './support/lifecycle.ts';

let at: RunDatabase;
let database: ExperimentDatabase;
let worker: pg.Client;
let dataset: string;
let runId: string;

beforeAll(async () => {
  at = await runDatabase(process.env.TEST_DATABASE_URL ?? '');
  database = openDatabase(at.url);
  await database.query(auditSql);
  dataset = await insertDataset(at);
  worker = new pg.Client({ connectionString: at.url, application_name: 'worker-1' });
  await worker.connect();
});
afterAll(async () => {
  await Promise.all([database.close(), worker.end()]);
  await at.drop();
});

/** Of a brief run. */
const epochHashes = ['e1', 'e2', 'e3'];

beforeEach(async () => {
  await database.query('DELETE FROM "Run"');
  await database.query('TRUNCATE "Epoch", chaos.change, chaos.write');
  runId = await insertRun(at, { datasetId: dataset, epochsPlanned: 3 });
  await asWorker(`
    INSERT INTO "RunEvent" ("runId", sequence, type, data) VALUES ('$run', 1, 'status', '{}');
    UPDATE "Run" SET status = 'running', fence = 1 WHERE id = '$run'`);
  for (const [i, hash] of epochHashes.entries()) {
    await asWorker(`
      INSERT INTO "Epoch" ("runId", epoch, sequence, metrics, "weightsSha256", "chainSha256", "durationMs")
        VALUES ('$run', ${i + 1}, ${i + 2}, '{}', '${hash}', '', 1);
      UPDATE "Run" SET epoch = ${i + 1} WHERE id = '$run'`);
  }
  await asWorker(`
    INSERT INTO "RunEvent" ("runId", sequence, type, data) VALUES ('$run', 5, 'done', '{}');
    UPDATE "Run" SET status = 'succeeded', "weightsSha256" = 'e3', "eventSequence" = 5 WHERE id = '$run'`);
});

const asWorker = (sql: string) => worker.query(sql.replaceAll('$run', runId));

function world(over: Partial<CheckedWorld> = {}): CheckedWorld {
  return {
    query: database.query,
    acknowledged: [{ runId, shape: 'brief', seed: 11, expectation: 'same' }],
    undisturbed: () => ({ weightsSha256: 'e3', epochs: epochHashes }),
    ...over,
  };
}

describe('the checker', () => {
  it('has nothing to say about a run that is whole', async () => {
    expect(await settle(world(), 1_000)).toEqual([]);
    expect(await check(world())).toEqual([]);
  });

  it.each([
    ['a run that is gone', `DELETE FROM "Run" WHERE id = '$run'`, 'it is gone'],
    ['a lost epoch', `DELETE FROM "Epoch" WHERE epoch = 2`, 'has not the epochs 1 to 3'],
    ['an epoch too many', `UPDATE "Run" SET epoch = 2`, 'succeeded after epoch 2'],
    ['a gap in the events', `DELETE FROM "RunEvent" WHERE sequence = 1`, 'has not the events 1 to 5'],
    ['an epoch outside the sequence', `UPDATE "Epoch" SET sequence = 6 WHERE epoch = 3`, 'the events 1 to 5'],
    ['one number for two events', `UPDATE "Epoch" SET sequence = 1 WHERE epoch = 1`, 'the events 1 to 5'],
    ['one number for two epochs', `UPDATE "Epoch" SET sequence = 3 WHERE epoch = 1`, 'the events 1 to 5'],
    [
      'epochs out of order',
      `UPDATE "Epoch" SET sequence = 5 - epoch WHERE epoch < 4`,
      'did not tell each of its epochs',
    ],
    ['a second end', `UPDATE "RunEvent" SET type = 'done' WHERE sequence = 1`, 'has 2 done events'],
    [
      'an epoch after the end',
      `UPDATE "Epoch" SET sequence = 5 WHERE epoch = 3; UPDATE "RunEvent" SET sequence = 4 WHERE sequence = 5`,
      'has events after its end',
    ],
    [
      'epochs that are left of a deleted run',
      `ALTER TABLE "Run" DISABLE TRIGGER "Run_delete_epochs"; DELETE FROM "Run";
       ALTER TABLE "Run" ENABLE TRIGGER "Run_delete_epochs"`,
      '3 epochs are left of run',
    ],
    ['other weights', `UPDATE "Run" SET "weightsSha256" = 'x'`, 'has other weights than undisturbed'],
    ['other weights on the way', `UPDATE "Epoch" SET "weightsSha256" = 'x' WHERE epoch = 2`, 'after epoch 2'],
    ['a fence that falls', 'UPDATE "Run" SET fence = 0', 'fence 1 became 0'],
    ['a fence that rises without a claim', 'UPDATE "Run" SET fence = 2', 'fence 1 became 2'],
    ['an end that is left', `UPDATE "Run" SET status = 'running'`, 'went from succeeded to running'],
    ['fewer epochs than before', 'UPDATE "Run" SET epoch = 1', 'fell from 3 to 1'],
    [
      'a torn checkpoint',
      `INSERT INTO "Checkpoint" ("runId", role, epoch, "stepsWithin", crc32, "byteLength", bytes)
       VALUES ('$run', 'state', 3, 0, 'a505df1b', 1, '\\x02')`,
      'a torn checkpoint of epoch 3',
    ],
    [
      'a write of one who has no claim',
      `SET application_name = 'worker-2';
       INSERT INTO "Epoch" ("runId", epoch, sequence, metrics, "weightsSha256", "chainSha256", "durationMs")
         VALUES ('$run', 4, 6, '{}', 'e4', '', 1);
       SET application_name = 'worker-1'`,
      'worker-2 wrote epoch 4 under fence 1, which is of worker-1',
    ],
    [
      'one fence for two claims',
      `UPDATE "Run" SET status = 'queued', fence = 0; UPDATE "Run" SET status = 'running', fence = 1`,
      'two claims raised the fence to 1',
    ],
  ])('sees %s', async (_name, sql, flaw) => {
    await asWorker(sql);
    expect((await check(world())).join('\n')).toContain(flaw);
  });

  it('sees a run that nobody was told of', async () => {
    expect(await check(world({ acknowledged: [] }))).toEqual([`nobody was told of run ${runId}`]);
  });

  it('sees another end than was to be expected', async () => {
    const failing = { runId, shape: 'brief', seed: 11, expectation: { failed: 'outOfMemory' } } as const;
    expect((await check(world({ acknowledged: [failing] }))).join('\n')).toContain('ended succeeded');
  });

  it('names a run that does not end', async () => {
    await asWorker(`UPDATE "Run" SET status = 'running' WHERE id = '$run'`);
    expect(await settle(world(), 50)).toEqual([`run ${runId} has not ended: it is running after epoch 3`]);
  });
});
