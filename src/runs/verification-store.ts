// Verifications, from the request to the verdict. A worker takes one up like a run: a claim raises its fence and sets
// a lease, every later write names the fence, and a lease that runs out gives it to another, three times at most.
import sql, { type Sql } from 'sql-template-tag';
import type { Database, DatabaseTransaction } from '../db/client.ts';
import type { Prisma } from '../db/generated/client.ts';
import type { SqlDatabase } from '../db/sql.ts';
import { notFound } from '../errors.ts';
import type { Claimant, RecordedRun } from './lease-store.ts';
import type { Verification } from './verification-schema.ts';

const columns = {
  id: true,
  runId: true,
  fromEpoch: true,
  toEpoch: true,
  status: true,
  verdict: true,
  firstDifferentEpoch: true,
  detail: true,
  replayedFrom: true,
  attempts: true,
  createdAt: true,
  startedAt: true,
  finishedAt: true,
} as const satisfies Prisma.VerificationSelect;

type Row = Prisma.VerificationGetPayload<{ select: typeof columns }>;

function toVerification({ createdAt, startedAt, finishedAt, ...row }: Row): Verification {
  return {
    ...row,
    createdAt: createdAt.toISOString(),
    startedAt: startedAt?.toISOString() ?? null,
    finishedAt: finishedAt?.toISOString() ?? null,
  };
}

export interface NewVerification {
  readonly id: string;
  readonly runId: string;
  readonly fromEpoch: number;
  readonly toEpoch: number;
}

export async function insertVerification(
  tx: DatabaseTransaction,
  data: NewVerification,
): Promise<Verification> {
  return toVerification(await tx.verification.create({ data, select: columns }));
}

/** Throws 404 for anything outside the project, and for another run's. */
export async function getVerification(
  db: Database,
  projectId: string,
  runId: string,
  id: string,
): Promise<Verification> {
  const row = await db.verification.findFirst({
    where: { id, runId, run: { projectId } },
    select: columns,
  });
  if (row === null) throw notFound('verification');
  return toVerification(row);
}

/** A worker's right to one verification. */
export interface VerificationHold {
  readonly id: string;
  readonly fence: number;
}

export interface ClaimedVerification {
  readonly hold: VerificationHold;
  readonly fromEpoch: number;
  readonly toEpoch: number;
  readonly recipeSha256: string;
  /** Of the workers that trained it. */
  readonly engineVersions: readonly string[];
  /** Of the model's parameters, as recorded at the end. */
  readonly weightsSha256: string | null;
  /** Of the run: a time budget is nothing that a replay could meet by itself. */
  readonly stopReason: string | null;
  /** As a worker would take it up. */
  readonly run: RecordedRun;
}

/** As many claims without an answer end it. */
export const attemptsMax = 3;

/** Takes a queued one. Null when it is not queued, does not fit here now, or is no verification at all. */
export function claimVerification(
  db: SqlDatabase,
  id: string,
  claimant: Claimant,
): Promise<ClaimedVerification | null> {
  return claim(db, sql`${id}::uuid`, claimant);
}

/** Takes the one that waits longest and fits. */
export function claimNextVerification(
  db: SqlDatabase,
  claimant: Claimant,
): Promise<ClaimedVerification | null> {
  const next = sql`(
    SELECT "id" FROM "Verification" WHERE "status" = 'queued' AND ${fits(claimant)} ORDER BY "createdAt" LIMIT 1
    FOR UPDATE SKIP LOCKED)`;
  return claim(db, next, claimant);
}

/** It takes what its run took. */
function fits({ memory: { free } }: Claimant): Sql {
  return sql`(SELECT "memoryBytes" FROM "Run" WHERE "Run"."id" = "Verification"."runId") <= ${free}::bigint`;
}

async function claim(db: SqlDatabase, which: Sql, claimant: Claimant): Promise<ClaimedVerification | null> {
  const { workerId, leaseSeconds } = claimant;
  const [row] = await db.$queryRaw<ClaimRow[]>(sql`
    WITH claimed AS (
      UPDATE "Verification" SET
        "status" = 'running', "attempts" = "attempts" + 1, "fence" = "fence" + 1, "workerId" = ${workerId},
        "leaseExpiresAt" = now() + make_interval(secs => ${leaseSeconds}::float8),
        "startedAt" = COALESCE("startedAt", now())
      WHERE "id" = ${which} AND "status" = 'queued' AND ${fits(claimant)}
      RETURNING *
    )
    SELECT claimed."id", claimed."fence", claimed."fromEpoch", claimed."toEpoch",
      run."id" AS "runId", run."fence" AS "runFence", run."spec", run."epoch", run."epochsPlanned",
      run."recipeSha256", run."chainSha256", run."weightsSha256", run."stopReason", run."memoryBytes",
      run."datasetId",
      ARRAY(SELECT DISTINCT "engineVersion" FROM "RunAttempt" WHERE "runId" = run."id") AS "engineVersions",
      dataset."contentSha256", dataset."byteLength", dataset."rowCount",
      jsonb_path_query_array(dataset."columns", '$[*] ? (@.type == "categorical").name') AS "categorical"
    FROM claimed JOIN "Run" AS run ON run."id" = claimed."runId"
      JOIN "Dataset" AS dataset ON dataset."id" = run."datasetId"`);
  if (row === undefined) {
    return null;
  }
  const { id, fence, fromEpoch, toEpoch, recipeSha256, weightsSha256, stopReason, engineVersions, ...rest } =
    row;
  const { runId, runFence, memoryBytes, contentSha256, byteLength, rowCount, categorical, ...run } = rest;
  const dataset = { contentSha256, byteLength: Number(byteLength), rowCount, categorical };
  return {
    ...{ hold: { id, fence }, fromEpoch, toEpoch, recipeSha256, weightsSha256, stopReason, engineVersions },
    run: { ...run, memoryBytes: Number(memoryBytes), hold: { runId, fence: runFence }, dataset },
  };
}

type ClaimRow = VerificationHold &
  Omit<ClaimedVerification, 'hold' | 'run'> &
  Omit<RecordedRun, 'hold' | 'dataset' | 'memoryBytes'> &
  Omit<RecordedRun['dataset'], 'byteLength'> & {
    readonly byteLength: bigint;
    readonly memoryBytes: bigint;
    readonly runId: string;
    readonly runFence: number;
  };

/** What the run has stored, to be held against a replay. Lists by epoch, from 1. */
export interface Evidence {
  readonly epochs: readonly number[];
  readonly weightsSha256: readonly string[];
  readonly chainSha256: readonly string[];
}

/** An ended run's rows stay as they are. */
export async function readEvidence(db: SqlDatabase, runId: string): Promise<Evidence> {
  const [row] = await db.$queryRaw<Evidence[]>`
    SELECT array_agg("epoch" ORDER BY "epoch") AS "epochs",
      array_agg("weightsSha256" ORDER BY "epoch") AS "weightsSha256",
      array_agg("chainSha256" ORDER BY "epoch") AS "chainSha256"
    FROM "Epoch" WHERE "runId" = ${runId}::uuid HAVING count(*) > 0`;
  return row ?? { epochs: [], weightsSha256: [], chainSha256: [] };
}

/** False: not held any more, or deleted with its run. */
export async function renewVerification(
  db: SqlDatabase,
  hold: VerificationHold,
  leaseSeconds: number,
): Promise<boolean> {
  const written = await db.$executeRaw(sql`
    UPDATE "Verification" SET "leaseExpiresAt" = now() + make_interval(secs => ${leaseSeconds}::float8)
    WHERE ${heldBy(hold)}`);
  return written > 0;
}

export interface Finding {
  readonly verdict: 'equal' | 'differs';
  readonly firstDifferentEpoch: number | null;
  readonly detail: string;
  readonly replayedFrom: number | null;
}

/** False: not held. */
export async function finishVerification(
  db: SqlDatabase,
  hold: VerificationHold,
  { verdict, firstDifferentEpoch, detail, replayedFrom }: Finding,
): Promise<boolean> {
  const written = await db.$executeRaw(sql`
    UPDATE "Verification" SET
      "status" = 'done', "verdict" = ${verdict}::"VerificationVerdict",
      "firstDifferentEpoch" = ${firstDifferentEpoch}::int, "detail" = ${detail},
      "replayedFrom" = ${replayedFrom}::int, ${ended}
    WHERE ${heldBy(hold)}`);
  return written > 0;
}

/** There will be no verdict. False: not held. */
export async function failVerification(
  db: SqlDatabase,
  hold: VerificationHold,
  detail: string,
): Promise<boolean> {
  const readable = detail.replaceAll('\u0000', '\ufffd').slice(0, 2_000);
  const written = await db.$executeRaw(sql`
    UPDATE "Verification" SET "status" = 'failed', "detail" = ${readable}, ${ended} WHERE ${heldBy(hold)}`);
  return written > 0;
}

/** Stopped by the worker's own wish: it waits again, and the attempt does not count. */
export async function releaseVerification(db: SqlDatabase, hold: VerificationHold): Promise<boolean> {
  const written = await db.$executeRaw(sql`
    UPDATE "Verification" SET
      "status" = 'queued', "attempts" = "attempts" - 1, "workerId" = NULL, "leaseExpiresAt" = NULL
    WHERE ${heldBy(hold)}`);
  return written > 0;
}

/** It died under a living worker: the same as a lease that ran out. */
export async function surrenderVerification(db: SqlDatabase, hold: VerificationHold): Promise<boolean> {
  return (await giveUp(db, heldBy(hold))) > 0;
}

/** Takes verifications back from workers whose lease ran out. Answers with how many. */
export function requeueExpiredVerifications(db: SqlDatabase): Promise<number> {
  return giveUp(db, sql`"status" = 'running' AND "leaseExpiresAt" < now()`);
}

const ended = sql`"finishedAt" = now(), "workerId" = NULL, "leaseExpiresAt" = NULL`;

const givenUp = `It was taken up ${attemptsMax} times, and each time its worker died before the verdict.`;

function giveUp(db: SqlDatabase, which: Sql): Promise<number> {
  const isLast = sql`"attempts" >= ${attemptsMax}::int`;
  return db.$executeRaw(sql`
    UPDATE "Verification" SET
      "status" = CASE WHEN ${isLast} THEN 'failed' ELSE 'queued' END::"VerificationStatus",
      "detail" = CASE WHEN ${isLast} THEN ${givenUp}::text END,
      "finishedAt" = CASE WHEN ${isLast} THEN now() END,
      "workerId" = NULL, "leaseExpiresAt" = NULL
    WHERE ${which}`);
}

function heldBy({ id, fence }: VerificationHold): Sql {
  return sql`"id" = ${id}::uuid AND "fence" = ${fence}::int AND "status" = 'running'`;
}
