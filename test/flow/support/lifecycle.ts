// Databases of their own for the tests of the run's life, on the server that the suite runs against.
import { createHash, randomUUID } from 'node:crypto';
import pg from 'pg';
import { createDatabase, type Database } from '../../../src/db/client.ts';
import type { Prisma } from '../../../src/db/generated/client.ts';
import { migrate } from '../../../src/db/migrate.ts';
import { createSqlPool, type SqlPool } from '../../../src/db/sql.ts';
import { recipeOf } from '../../../src/runs/chain.ts';
import type { Claimant } from '../../../src/runs/lease-store.ts';
import type { RunEvent } from '../../../src/runs/schema.ts';
import { listEvents } from '../../../src/runs/store.ts';

interface TestDatabase {
  readonly url: string;
  drop(): Promise<void>;
}

/** Creates an empty database on the given server. */
export const emptyDatabase = (serverUrl: string): Promise<TestDatabase> => copyOf('template1', serverUrl);

async function copyOf(template: string, serverUrl: string): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  await query(serverUrl, `CREATE DATABASE ${name} TEMPLATE ${template}`);
  return { url: url.href, drop: () => query(serverUrl, `DROP DATABASE ${name} WITH (FORCE)`) };
}

async function query(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** Polls until `look` gives something other than null, undefined or false. */
export async function until<T>(
  look: () => T | Promise<T>,
  what: string,
  limitMs = 30_000,
): Promise<Exclude<T, null | undefined | false>> {
  const end = performance.now() + limitMs;
  for (;;) {
    const seen = await look();
    if (seen !== null && seen !== undefined && seen !== false) {
      return seen as Exclude<T, null | undefined | false>;
    }
    if (performance.now() > end) {
      throw new Error(`gave up waiting for ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A database of this version's schema: a copy of the suite's, on the suite's server. */
async function migratedDatabase(serverUrl: string): Promise<TestDatabase> {
  const { TEST_DATABASE_URL: suiteUrl, TEST_DATABASE_TEMPLATE: template } = process.env;
  if (template && serverUrl === suiteUrl) return copyOf(template, serverUrl);
  const empty = await emptyDatabase(serverUrl);
  await migrate(empty.url);
  return empty;
}

/** A migrated database with its client. */
export async function runDatabase(serverUrl: string): Promise<RunDatabase> {
  const { url, drop } = await migratedDatabase(serverUrl);
  const db = createDatabase(url);
  const sql = createSqlPool(url);
  const projectId = randomUUID();
  await db.project.create({ data: { id: projectId, name: 'default' } });
  return {
    url,
    db,
    sql,
    projectId,
    drop: async () => {
      await Promise.all([db.$disconnect(), sql.close()]);
      await drop();
    },
  };
}

export interface RunDatabase {
  readonly url: string;
  readonly db: Database;
  /** The same database as a worker sees it. */
  readonly sql: SqlPool;
  readonly projectId: string;
  drop(): Promise<void>;
}

/** Stores a CSV as the upload does, in chunks of `chunkBytes`. */
export async function insertDataset(
  { db, projectId }: RunDatabase,
  { csv = 'x,y\n1,a\n2,b\n', columns = [] as object[], rowCount = 2, chunkBytes = 1 << 20 } = {},
): Promise<string> {
  const bytes = new TextEncoder().encode(csv);
  const id = randomUUID();
  const pieces = Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, i) =>
    bytes.slice(i * chunkBytes, (i + 1) * chunkBytes),
  );
  await db.dataset.create({
    data: {
      id,
      projectId,
      name: 'data.csv',
      contentSha256: sha256(bytes),
      byteLength: bytes.length,
      rowCount,
      columns,
      chunks: {
        create: pieces.map((piece, index) => ({ index, sha256: sha256(piece), bytes: piece })),
      },
    },
  });
  return id;
}

/** A queued run of a trivial dataset, unless told otherwise. */
export async function insertRun(
  at: RunDatabase,
  run: {
    datasetId?: string;
    spec?: Prisma.InputJsonObject;
    epochsPlanned?: number;
    memoryBytes?: number;
    createdAt?: Date;
    ticketedAt?: Date;
  } = {},
): Promise<string> {
  const { datasetId = await insertDataset(at), spec = {}, epochsPlanned = 10, ...rest } = run;
  const id = randomUUID();
  const { contentSha256 } = await at.db.dataset.findUniqueOrThrow({ where: { id: datasetId } });
  const recipeSha256 = recipeOf({ ...spec, data: { ...(spec.data as object) } }, contentSha256);
  await at.db.run.create({
    data: {
      ...rest,
      id,
      projectId: at.projectId,
      datasetId,
      name: 'run',
      spec,
      specSha256: sha256(new TextEncoder().encode(JSON.stringify(spec))),
      recipeSha256,
      chainSha256: recipeSha256,
      epochsPlanned,
    },
  });
  return id;
}

/** A worker, as it claims runs. */
export function claimant(workerId = 'worker', leaseSeconds = 15): Claimant {
  const memory = { all: 2 ** 40, free: 2 ** 40 };
  return { workerId, leaseSeconds, engine: { backend: 'wasm', isa: null, version: '1' }, memory };
}

/** The run's events in order, as a client reads them. */
export function eventsOf({ db }: RunDatabase, runId: string): Promise<RunEvent[]> {
  return listEvents(db, runId, 0, 2 ** 31 - 1);
}

/** Makes the run's lease end in the past, by the database's clock. */
export async function expireLease({ db }: RunDatabase, runId: string): Promise<void> {
  await db.$executeRaw`
    UPDATE "Run" SET "leaseExpiresAt" = now() - interval '1 second' WHERE "id" = ${runId}::uuid`;
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
