import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase } from '../../src/db/client.ts';
import { migrate, readMigrations } from '../../src/db/migrate.ts';
import { schemaDifference } from '../../src/db/schema-engine.ts';
import { packageRoot } from '../../src/package-root.ts';
import { chainOf, recipeOf } from '../../src/runs/chain.ts';
import { listEvents } from '../../src/runs/store.ts';
import { emptyDatabase } from './support/lifecycle.ts';

type Scratch = Awaited<ReturnType<typeof emptyDatabase>>;

let migrated: Scratch;
let described: Scratch;
beforeAll(async () => {
  const server = process.env.TEST_DATABASE_URL ?? '';
  [migrated, described] = [await emptyDatabase(server), await emptyDatabase(server)];
});
afterAll(async () => {
  await migrated.drop();
  await described.drop();
});

async function query(url: string, sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql, values)).rows;
  } finally {
    await client.end();
  }
}

/** Everything the two databases could differ in, but for the migrations' own record and the order of columns. */
async function describeDatabase(url: string): Promise<unknown> {
  const notRecord = `NOT LIKE '\\_prisma\\_%'`;
  return {
    columns: await query(
      url,
      `SELECT table_name, column_name, column_default, is_nullable, udt_name, datetime_precision
       FROM information_schema.columns WHERE table_schema = 'public' AND table_name ${notRecord}
       ORDER BY table_name, column_name`,
    ),
    indexes: await query(
      url,
      `SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename ${notRecord} ORDER BY indexdef`,
    ),
    constraints: await query(
      url,
      `SELECT conrelid::regclass::text AS relation, conname, pg_get_constraintdef(oid) AS definition
       FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text !~ '_prisma_'
       ORDER BY 1, 2`,
    ),
    enums: await query(
      url,
      `SELECT t.typname, e.enumlabel FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid
       ORDER BY t.typname, e.enumsortorder`,
    ),
  };
}

/** Two runs as they were stored while each epoch had an event besides: one has ended, one has not. */
const oldRuns = `
  INSERT INTO "Project" ("id", "name") VALUES (gen_random_uuid(), 'default');
  INSERT INTO "Dataset" ("id", "projectId", "name", "contentSha256", "byteLength", "rowCount", "columns")
    SELECT gen_random_uuid(), "id", 'data', '', 1, 1, '[]' FROM "Project";
  INSERT INTO "Run" ("id", "projectId", "datasetId", "name", "spec", "specSha256", "recipeSha256", "chainSha256",
      "status", "epochsPlanned", "epoch", "eventSequence")
    SELECT run."id"::uuid, "projectId", "Dataset"."id", 'run', '{}', '', '', '', run."status"::"RunStatus", 3, run."epoch", run."last"
    FROM "Dataset", (VALUES
      ('00000000-0000-7000-8000-000000000001', 'succeeded', 3, 7),
      ('00000000-0000-7000-8000-000000000002', 'running', 2, 4)
    ) AS run("id", "status", "epoch", "last");
  INSERT INTO "Epoch" ("runId", "epoch", "metrics", "diverged", "weightsSha256", "chainSha256", "durationMs")
    SELECT run."id", n, jsonb_build_object('loss', 1.0 / n, 'accuracy', NULL), n = 2, '', '', 1
    FROM "Run" AS run, generate_series(1, run."epoch") AS n;
  INSERT INTO "RunEvent" ("runId", "sequence", "type", "data", "createdAt")
    SELECT run."id", sequence, 'status', '{"status": "running"}', '2026-11-27T10:00:00.123Z'
    FROM "Run" AS run, generate_series(1, 2) AS sequence
    UNION ALL
    SELECT "runId", "epoch" + 2 + ("epoch" = 3)::int, 'epoch', jsonb_build_object(
        'epoch', "epoch", 'epochs', 3, 'metrics', "metrics", 'etaSeconds', CASE WHEN "epoch" < 3 THEN 0.1 * "epoch" END
      ) || CASE WHEN "diverged" THEN '{"diverged": true}'::jsonb ELSE '{}' END,
      timestamptz '2026-11-27T10:00:00.456Z' + make_interval(secs => "epoch")
    FROM "Epoch"
    UNION ALL SELECT '00000000-0000-7000-8000-000000000001', 5, 'log', '{"message": "text"}', now()
    UNION ALL SELECT '00000000-0000-7000-8000-000000000001', 7, 'done', '{"status": "succeeded"}', now();`;

/** As the migrations left it that come before the one whose name ends so; `upgrade` does the others. */
async function databaseBefore(migration: string) {
  const { url, drop } = await emptyDatabase(process.env.TEST_DATABASE_URL ?? '');
  const scripts = await readMigrations();
  const first = scripts.findIndex(({ name }) => name.endsWith(migration));
  const apply = async (some: typeof scripts) => {
    for (const { script } of some) await query(url, script);
  };
  await apply(scripts.slice(0, first));
  return { url, drop, upgrade: () => apply(scripts.slice(first)) };
}

describe('migrate', () => {
  it('lets one of several callers do the work, and has nothing to do afterwards', async () => {
    const names = (await readMigrations()).map((migration) => migration.name);
    const answers = await Promise.all(Array.from({ length: 4 }, () => migrate(migrated.url)));
    expect(answers.filter((answer) => answer.length > 0)).toEqual([names]);
    expect(await migrate(migrated.url)).toEqual([]);
    const record = await query(
      migrated.url,
      'SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL ORDER BY 1',
    );
    expect(record.map((row) => row.migration_name)).toEqual(names);
  });

  it('stores weights as they are', async () => {
    await migrate(migrated.url);
    const storage = `SELECT attstorage FROM pg_attribute WHERE attrelid = '"Checkpoint"'::regclass AND attname = 'bytes'`;
    expect(await query(migrated.url, storage)).toEqual([{ attstorage: 'e' }]);
  });

  it('yields exactly what prisma/schema.prisma describes', async () => {
    const schema = await readFile(join(packageRoot(), 'prisma', 'schema.prisma'), 'utf8');
    const [all] = await Promise.all([schemaDifference(described.url, null, schema), migrate(migrated.url)]);
    await query(described.url, all);
    const expected = await describeDatabase(described.url);
    expect(await describeDatabase(migrated.url)).toEqual(expected);
    expect(expected).toMatchObject({
      enums: expect.arrayContaining([{ typname: 'RunStatus', enumlabel: 'queued' }]),
    });
  });

  it('gives the runs that were there a receipt, as if they had been trained with one', async () => {
    const old = await databaseBefore('_chain');
    try {
      // Numbers of every length, on both sides of where JSON takes to exponents.
      const numbers = Array.from({ length: 300 }, (_, i) => Math.sin(i) * 10 ** ((i % 60) - 30));
      const spec = {
        seed: Number.MAX_SAFE_INTEGER,
        data: { target: 'a "ü" \u0007\n\\ 😀', dataset: 'an id', features: [] },
        numbers: [...numbers, 0, 1, 100, 1e-6, 1e-7, 1e-8, 1e20, 1e21, 123e19, 1.7e308, 5e-324, 0.001, 20],
        threads: 'auto',
        shuffle: true,
        nothing: {},
      };
      const [project, dataset, trained, fresh] = [1, 2, 3, 4].map(() => randomUUID());
      await query(old.url, `INSERT INTO "Project" ("id", "name") VALUES ($1, 'default')`, [project]);
      await query(
        old.url,
        `INSERT INTO "Dataset" ("id", "projectId", "name", "contentSha256", "byteLength", "rowCount", "columns")
         VALUES ($1, $2, 'data', 'the content', 1, 1, '[]')`,
        [dataset, project],
      );
      for (const run of [trained, fresh]) {
        await query(
          old.url,
          `INSERT INTO "Run" ("id", "projectId", "datasetId", "name", "spec", "specSha256", "epochsPlanned")
           VALUES ($1, $2, $3, 'run', $4, '', 2)`,
          [run, project, dataset, JSON.stringify(spec)],
        );
      }
      for (const epoch of [2, 1]) {
        await query(
          old.url,
          `INSERT INTO "Epoch" ("runId", "epoch", "metrics", "weightsSha256", "durationMs") VALUES ($1, $2, '{}', $3, 1)`,
          [trained, epoch, `weights ${epoch}`],
        );
        await query(
          old.url,
          `INSERT INTO "RunEvent" ("runId", "sequence", "type", "data") VALUES ($1, $2, 'epoch', $3)`,
          [trained, epoch, JSON.stringify({ epoch })],
        );
      }

      await old.upgrade();
      const recipe = recipeOf(spec, 'the content');
      const one = chainOf(recipe, 1, 'weights 1');
      const two = chainOf(one, 2, 'weights 2');
      expect(await query(old.url, `SELECT "id", "recipeSha256", "chainSha256" FROM "Run"`)).toEqual(
        expect.arrayContaining([
          { id: trained, recipeSha256: recipe, chainSha256: two },
          { id: fresh, recipeSha256: recipe, chainSha256: recipe },
        ]),
      );
      expect(await query(old.url, `SELECT "epoch", "chainSha256" FROM "Epoch" ORDER BY "epoch"`)).toEqual([
        { epoch: 1, chainSha256: one },
        { epoch: 2, chainSha256: two },
      ]);
    } finally {
      await old.drop();
    }
  });

  it('leaves the events that were there as they were, though epochs are stored once from then on', async () => {
    const old = await databaseBefore('_epochs_as_events');
    try {
      await query(old.url, oldRuns);
      const before = await query(
        old.url,
        `SELECT "runId", "sequence", "type", "data", "createdAt" FROM "RunEvent" ORDER BY "runId", "sequence"`,
      );

      await old.upgrade();
      const db = createDatabase(old.url);
      const runs = await db.run.findMany({ orderBy: { id: 'asc' } });
      const after: unknown[] = [];
      for (const { id } of runs) {
        const events = await listEvents(db, id, 0, 100);
        after.push(...events.map((event) => ({ runId: id, ...event, createdAt: new Date(event.createdAt) })));
      }
      expect(after).toEqual(before);
      expect(after).toHaveLength(11);
      expect(await db.runEvent.count()).toBe(6);
      await db.run.deleteMany({ where: { id: runs[0]?.id ?? '' } });
      expect(await db.epoch.groupBy({ by: ['runId'], _count: true })).toEqual([
        { runId: runs[1]?.id, _count: 2 },
      ]);
      await db.$disconnect();
    } finally {
      await old.drop();
    }
  });

  it('refuses a database whose last migration broke off', async () => {
    const broken = await emptyDatabase(process.env.TEST_DATABASE_URL ?? '');
    try {
      await migrate(broken.url);
      await query(broken.url, 'UPDATE _prisma_migrations SET finished_at = NULL');
      await expect(migrate(broken.url)).rejects.toThrow(/failed migrations/);
    } finally {
      await broken.drop();
    }
  });
});
