// Who may train a run. A claim raises the run's fence and sets a lease by the database's clock; every later
// write of the worker names that fence and finds no row once somebody else may have the run.
import sql, { type Sql } from 'sql-template-tag';
import type { SqlDatabase, SqlTransaction } from '../db/sql.ts';
import { type Ending, endRun, parkRun } from './ending-store.ts';
import { runEventsChannel } from './events-store.ts';
import { type HeldStatus, isTerminal, type RunStatus, restartsMax, transition } from './status.ts';

/** A worker's right to one run. */
export interface Hold {
  readonly runId: string;
  readonly fence: number;
}

export interface Claimant {
  readonly workerId: string;
  readonly leaseSeconds: number;
  readonly engine: EngineIdentity;
  readonly memory: ClaimantMemory;
}

/** In bytes. */
export interface ClaimantMemory {
  /** What the claimant's trainings may take together. */
  readonly all: number;
  /** What those that it has at the moment leave. */
  readonly free: number;
}

/** What trains: recorded with each claim. */
export interface EngineIdentity {
  readonly backend: 'native' | 'wasm' | 'interpreter';
  /** Of native machine code. */
  readonly isa: string | null;
  readonly version: string;
}

/** A run as it is stored, for whoever trains it, or trains it again. */
export interface RecordedRun {
  readonly hold: Hold;
  readonly spec: unknown;
  /** The last stored epoch. */
  readonly epoch: number;
  readonly epochsPlanned: number;
  /** The chain up to that epoch. */
  readonly chainSha256: string;
  /** What its training needs. */
  readonly memoryBytes: number;
  readonly datasetId: string;
  readonly dataset: {
    readonly contentSha256: string;
    readonly byteLength: number;
    readonly rowCount: number;
    /** Names of its categorical columns. All that is known of them can be megabytes. */
    readonly categorical: readonly string[];
  };
}

export interface ClaimedRun extends RecordedRun {
  readonly budget: { readonly seconds?: number; readonly epochs?: number } | null;
  /** What its stored epochs took; told where there is a time budget. */
  readonly trainedMs: number;
}

/** A run that waits for more memory than is free is overtaken by younger ones for so long. */
const overtakenSecondsMax = 30;

/**
 * Takes a queued run. Null when it is not queued any more (the ticket was late or a copy), or when its memory, or
 * that of a run that has waited for too long, is not free here.
 */
export async function claimRun(
  db: SqlDatabase,
  runId: string,
  claimant: Claimant,
): Promise<ClaimedRun | null> {
  return claim(db, sql`${runId}::uuid`, claimant);
}

/** Claims the run that waits longest and fits, ticket or not: training goes on while the queue is away. */
export async function claimNextRun(db: SqlDatabase, claimant: Claimant): Promise<ClaimedRun | null> {
  const next = sql`(
    SELECT "id" FROM "Run" WHERE "status" = 'queued' AND "memoryBytes" <= ${claimant.memory.free}::bigint
    ORDER BY "createdAt" LIMIT 1 FOR UPDATE SKIP LOCKED)`;
  return claim(db, next, claimant);
}

async function claim(
  db: SqlDatabase,
  which: Sql,
  { workerId, leaseSeconds, engine, memory }: Claimant,
): Promise<ClaimedRun | null> {
  const status = transition('queued', 'claim');
  const rows = await db.$queryRaw<ClaimRow[]>(sql`
    WITH run AS (
      UPDATE "Run" SET
        "status" = ${status}::"RunStatus", "fence" = "fence" + 1, "restarts" = "restarts" + 1,
        "eventSequence" = "eventSequence" + 1, "workerId" = ${workerId},
        "leaseExpiresAt" = now() + make_interval(secs => ${leaseSeconds}::float8),
        "startedAt" = COALESCE("startedAt", now())
      WHERE "id" = ${which} AND "status" = 'queued' AND "memoryBytes" <= ${memory.free}::bigint
        AND NOT EXISTS (${overtaken(memory)})
      RETURNING *
    ), event AS (
      INSERT INTO "RunEvent" ("runId", "sequence", "type", "data")
      SELECT "id", "eventSequence", 'status', ${JSON.stringify({ status })}::jsonb FROM run
    ), attempt AS (
      INSERT INTO "RunAttempt" ("runId", "fence", "workerId", "backend", "isa", "engineVersion", "fromEpoch")
      SELECT "id", "fence", "workerId", ${engine.backend}::"EngineBackend", ${engine.isa}, ${engine.version}, "epoch"
      FROM run
    )
    SELECT run."id" AS "runId", run."fence", run."spec", run."spec" #> '{training,budget}' AS "budget", run."epoch", run."epochsPlanned", run."chainSha256",
      run."memoryBytes", run."datasetId", dataset."contentSha256", dataset."byteLength", dataset."rowCount",
      jsonb_path_query_array(dataset."columns", '$[*] ? (@.type == "categorical").name') AS "categorical",
      pg_notify(${runEventsChannel}, run."id"::text)::text
    FROM run JOIN "Dataset" AS dataset ON dataset."id" = run."datasetId"`);
  const row = rows[0];
  if (row === undefined) {
    return null;
  }
  const { runId, fence, memoryBytes, contentSha256, byteLength, rowCount, categorical, ...run } = row;
  const dataset = { contentSha256, byteLength: Number(byteLength), rowCount, categorical };
  // Not within the claim: while that waits for the row, the last holder may store more epochs than it can see.
  const trainedMs = run.budget?.seconds === undefined || run.epoch === 0 ? 0 : await readTrainedMs(db, runId);
  return { ...run, memoryBytes: Number(memoryBytes), trainedMs, hold: { runId, fence }, dataset };
}

async function readTrainedMs(db: SqlDatabase, runId: string): Promise<number> {
  const [row] = await db.$queryRaw<{ trainedMs: number | null }[]>`
    SELECT sum("durationMs") AS "trainedMs" FROM "Epoch" WHERE "runId" = ${runId}::uuid`;
  return row?.trainedMs ?? 0;
}

/** Runs that this claimant could hold if it were idle, and that have seen enough others pass. */
function overtaken({ all, free }: ClaimantMemory): Sql {
  return sql`
    SELECT FROM "Run" WHERE "status" = 'queued' AND "memoryBytes" > ${free}::bigint AND "memoryBytes" <= ${all}::bigint
      AND "createdAt" < now() - make_interval(secs => ${overtakenSecondsMax}::float8)`;
}

interface ClaimRow extends Hold {
  readonly spec: unknown;
  readonly budget: ClaimedRun['budget'];
  readonly epoch: number;
  readonly epochsPlanned: number;
  readonly chainSha256: string;
  readonly memoryBytes: bigint;
  readonly datasetId: string;
  readonly contentSha256: string;
  readonly byteLength: bigint;
  readonly rowCount: number;
  readonly categorical: readonly string[];
}

/** Extends the lease and says what is wanted of the run now. `lost`: drop it at once. */
export async function renewLease(
  db: SqlDatabase,
  hold: Hold,
  leaseSeconds: number,
): Promise<HeldStatus | 'lost'> {
  const rows = await db.$queryRaw<{ status: HeldStatus }[]>`
    UPDATE "Run" SET "leaseExpiresAt" = now() + make_interval(secs => ${leaseSeconds}::float8)
    WHERE "id" = ${hold.runId}::uuid AND "fence" = ${hold.fence}::int
      AND "status" IN ('running', 'pausing', 'cancelling')
    RETURNING "status"`;
  return rows[0]?.status ?? 'lost';
}

/** The run as it is now, without its lock; null to a stale hold. */
export async function readHeld(db: SqlDatabase, hold: Hold): Promise<HeldRun | null> {
  const rows = await db.$queryRaw<HeldRun[]>(sql`${heldBy(hold)}`);
  return rows[0] ?? null;
}

/** Stopped on purpose: queued again, paused or cancelled, as was wanted. Not a crash. Null: not held. */
export async function releaseRun(db: SqlDatabase, hold: Hold): Promise<RunStatus | null> {
  return letGoOf(db, hold, 'release');
}

/** The training died under a living worker: the same as a lease that ran out. Null: not held. */
export async function surrenderRun(db: SqlDatabase, hold: Hold): Promise<RunStatus | null> {
  return letGoOf(db, hold, 'expire');
}

async function letGoOf(db: SqlDatabase, hold: Hold, action: 'release' | 'expire'): Promise<RunStatus | null> {
  return transact(db, async (tx) => {
    const held = await lockHeld(tx, hold);
    return held === null ? null : letGo(tx, held, action);
  });
}

/** Takes runs back from workers whose lease ran out, and answers with their ids. */
export async function requeueExpired(db: SqlDatabase): Promise<string[]> {
  return transact(db, async (tx) => {
    const expired = await tx.$queryRaw<HeldRun[]>`
      SELECT "id", "status", "epoch", "epochsPlanned", "restarts" FROM "Run"
      WHERE "status" IN ('running', 'pausing', 'cancelling') AND "leaseExpiresAt" < now()
      ORDER BY "leaseExpiresAt" LIMIT 100
      FOR UPDATE SKIP LOCKED`;
    for (const run of expired) {
      await letGo(tx, run, 'expire');
    }
    return expired.map(({ id }) => id);
  });
}

export interface HeldRun {
  readonly id: string;
  readonly status: HeldStatus;
  readonly epoch: number;
  readonly epochsPlanned: number;
  readonly restarts: number;
}

/** The fence check: locks the run's row for this transaction, or answers null to a stale hold. */
export async function lockHeld(tx: SqlTransaction, hold: Hold): Promise<HeldRun | null> {
  const rows = await tx.$queryRaw<HeldRun[]>(sql`${heldBy(hold)} FOR UPDATE`);
  return rows[0] ?? null;
}

function heldBy({ runId, fence }: Hold): Sql {
  return sql`
    SELECT "id", "status", "epoch", "epochsPlanned", "restarts" FROM "Run"
    WHERE "id" = ${runId}::uuid AND "fence" = ${fence}::int
      AND "status" IN ('running', 'pausing', 'cancelling')`;
}

/** Checkpoints of some hundred megabytes travel inside these transactions. */
export function transact<T>(db: SqlDatabase, work: (tx: SqlTransaction) => Promise<T>): Promise<T> {
  return db.$transaction(work, { maxWait: 5_000, timeout: 60_000 });
}

/** Answers with the state it leaves the run in. */
async function letGo(tx: SqlTransaction, run: HeldRun, action: 'release' | 'expire'): Promise<RunStatus> {
  const next = transition(run.status, action);
  if (next === null) {
    throw new Error(`a ${run.status} run cannot ${action}`);
  }
  if (next === 'cancelled') {
    return end(tx, run, cancelled);
  }
  if (isTerminal(next)) {
    throw new Error(`${action} does not end a ${run.status} run`);
  }
  if (action === 'expire' && next === 'queued' && run.restarts >= restartsMax) {
    return end(tx, run, crashLoop);
  }
  const restarts = action === 'release' ? Math.max(run.restarts - 1, 0) : run.restarts;
  await parkRun(tx, run.id, next, { restarts });
  return next;
}

async function end(tx: SqlTransaction, { id }: HeldRun, ending: Ending): Promise<RunStatus> {
  await endRun(tx, id, ending);
  return ending.status;
}

const cancelled: Ending = { status: 'cancelled', stopReason: 'user' };
const crashLoop: Ending = {
  status: 'failed',
  stopReason: 'crashLoop',
  failure: {
    code: 'crashLoop',
    detail: `The training was started ${restartsMax} times and died each time before it got any further.`,
  },
};
