// Which workers there are. Each says so of itself every few seconds, by the database's clock; one that has not done so
// for a while is taken for dead, and forgotten.
import type { SqlDatabase, SqlTransaction } from '../db/sql.ts';

export interface WorkerEntry {
  readonly id: string;
  readonly hostname: string;
  readonly engineVersion: string;
  readonly backend: 'native' | 'wasm' | 'interpreter';
  readonly slots: number;
  /** What its trainings may take together. */
  readonly memoryBytes: number;
}

const silentSecondsMax = 30;

/** Also for one that was forgotten meanwhile. */
export async function reportWorker(db: SqlDatabase, worker: WorkerEntry): Promise<void> {
  const { id, hostname, engineVersion, backend, slots, memoryBytes } = worker;
  await db.$executeRaw`
    INSERT INTO "Worker" ("id", "hostname", "engineVersion", "backend", "slots", "memoryBytes", "lastSeenAt")
    VALUES (${id}, ${hostname}, ${engineVersion}, ${backend}::"EngineBackend", ${slots}::int,
      ${memoryBytes}::bigint, now())
    ON CONFLICT ("id") DO UPDATE SET "lastSeenAt" = now()`;
}

export async function removeWorker(db: SqlDatabase, id: string): Promise<void> {
  await db.$executeRaw`DELETE FROM "Worker" WHERE "id" = ${id}`;
}

/** Answers with their ids. */
export async function forgetDeadWorkers(db: SqlDatabase): Promise<string[]> {
  const rows = await db.$queryRaw<{ id: string }[]>`
    DELETE FROM "Worker" WHERE "lastSeenAt" < now() - make_interval(secs => ${silentSecondsMax}::float8)
    RETURNING "id"`;
  return rows.map(({ id }) => id);
}

/** The most memory that a living worker has; null where there is none. */
export async function largestWorkerMemory(db: SqlTransaction): Promise<number | null> {
  const [largest] = await db.$queryRaw<{ bytes: bigint | null }[]>`
    SELECT max("memoryBytes") AS bytes FROM "Worker"
    WHERE "lastSeenAt" >= now() - make_interval(secs => ${silentSecondsMax}::float8)`;
  return largest?.bytes == null ? null : Number(largest.bytes);
}
