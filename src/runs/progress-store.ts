// What a worker writes about the run it holds: epochs with their checkpoint, and the end with its events. Each is one
// transaction whose one statement checks the fence first, and may be repeated when its answer was lost.
import sql, { empty, join, type Sql } from 'sql-template-tag';
import type { ByteTransaction, SqlDatabase, SqlPool, SqlTransaction } from '../db/sql.ts';
import {
  dropParts,
  dropTable,
  inRowBytesMax,
  type KeptBytes,
  keepInRow,
  keepInTable,
  readKept,
  transferMsMax,
} from './checkpoint-store.ts';
import { type Ending, endingColumns, endingEvents } from './ending-store.ts';
import { appendEvents, runEventsChannel } from './events-store.ts';
import { type Hold, lockHeld, readHeld, transact } from './lease-store.ts';
import {
  type HeldStatus,
  heldStatuses,
  isTerminal,
  type RunFailure,
  type StopReason,
  transition,
} from './status.ts';

export interface FinishedEpoch {
  readonly epoch: number;
  /** May hold numbers that are not finite; they are stored as null. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly diverged: boolean;
  readonly weightsSha256: string;
  /** Over this epoch and all before it. */
  readonly chainSha256: string;
  readonly durationMs: number;
  readonly bestEpoch: number | null;
  readonly etaSeconds: number;
}

export interface CheckpointBytes {
  /** Finished epochs, and steps of the next one. */
  readonly epoch: number;
  readonly stepsWithin: number;
  /** Spent on those steps. */
  readonly withinMs: number;
  readonly bytes: Uint8Array;
}

export interface ModelBytes extends CheckpointBytes {
  readonly sha256: string;
}

/** Consecutive epochs, and the state after one of them, or in the one that follows, where it is to be kept. */
export interface EpochGroup {
  readonly epochs: readonly FinishedEpoch[];
  readonly checkpoint: CheckpointBytes | null;
}

/**
 * Stores epochs; those the run already has (recomputed after a resume) are passed over. Answers with what is wanted
 * of the run, or `lost` when nothing was written because the hold is stale. Throws where epochs are missing between
 * what is stored and what is given.
 */
export async function commitEpochs(
  db: SqlPool,
  hold: Hold,
  { epochs, checkpoint }: EpochGroup,
): Promise<HeldStatus | 'lost'> {
  const checkpoints = checkpoint === null ? [] : [stateOf(checkpoint)];
  for (;;) {
    const written = await write(db, hold, heldStatuses, { epochs, checkpoints, ending: null });
    if (written !== null) return written;
    // Where nothing speaks against it any more, the epochs before these were stored meanwhile.
    if ((await explainRefusal(db, hold, epochs)) === 'lost') return 'lost';
  }
}

export interface Outcome {
  readonly action: 'succeed' | 'fail';
  readonly stopReason: StopReason;
  readonly failure?: RunFailure;
  readonly results?: unknown;
  readonly weightsSha256?: string;
  readonly bestEpoch?: number | null;
  /** The model to use. */
  readonly model?: ModelBytes;
}

const nothing: EpochGroup = { epochs: [], checkpoint: null };

/**
 * Ends the run, with its last epochs. A cancel that was accepted before wins. False: the hold is stale, nothing was
 * written. Throws like `commitEpochs`.
 */
export async function finishRun(
  db: SqlPool,
  hold: Hold,
  outcome: Outcome,
  { epochs, checkpoint }: EpochGroup = nothing,
): Promise<boolean> {
  const latest = checkpoint === null ? [] : [stateOf(checkpoint)];
  // Decided on the state the run most likely is in, and written only if that is the state it is in.
  let held: HeldStatus | 'lost' = 'running';
  while (held !== 'lost') {
    const ending = endingOf(held, outcome);
    const ended = { epochs, checkpoints: [...latest, ...ending.model], ending };
    if ((await write(db, hold, [held], ended)) !== null) {
      return true;
    }
    held = await explainRefusal(db, hold, epochs);
  }
  return false;
}

type HeldEnding = Ending & { readonly bestEpoch?: number | null | undefined };

function endingOf(
  held: HeldStatus,
  { action, model, ...outcome }: Outcome,
): HeldEnding & { readonly model: readonly GivenCheckpoint[] } {
  const status = transition(held, action);
  if (status === null || !isTerminal(status)) {
    throw new Error(`a ${held} run cannot ${action}`);
  }
  if (status === 'cancelled') {
    return { status, stopReason: 'user', model: [] };
  }
  return { ...outcome, status, model: model === undefined ? [] : [{ role: 'model', ...model }] };
}

/** Appends a `log` event a client may read. False: the hold is stale. */
export async function appendLog(db: SqlDatabase, hold: Hold, message: string): Promise<boolean> {
  return transact(db, async (tx) => {
    const run = await lockHeld(tx, hold);
    if (run !== null) {
      await appendEvents(tx, hold.runId, [{ type: 'log', data: { message } }]);
    }
    return run !== null;
  });
}

/** Places of the training states that are stored, newest first. */
export async function listStates(db: SqlDatabase, runId: string): Promise<StoredState[]> {
  return db.$queryRaw<StoredState[]>`
    SELECT "epoch", "stepsWithin" FROM "Checkpoint"
    WHERE "runId" = ${runId}::uuid AND "role" = 'state'
    ORDER BY "epoch" DESC, "stepsWithin" DESC`;
}

export type StoredState = Pick<CheckpointBytes, 'epoch' | 'stepsWithin'>;

type CheckpointRow = Omit<CheckpointBytes, 'bytes'> & KeptBytes & { readonly sha256: string | null };

const checkpointColumns = sql`
  "epoch", "stepsWithin", "withinMs", "sha256", "crc32", "byteLength", "bytes", "partsId"`;

/** `whole`: its bytes are what was stored. Null when it is there no more. */
export async function readState(
  db: SqlPool,
  runId: string,
  { epoch, stepsWithin }: StoredState,
): Promise<(CheckpointBytes & { readonly whole: boolean }) | null> {
  const [row] = await db.$queryRaw<CheckpointRow[]>(sql`
    SELECT ${checkpointColumns} FROM "Checkpoint"
    WHERE "runId" = ${runId}::uuid AND "role" = 'state'
      AND "epoch" = ${epoch}::int AND "stepsWithin" = ${stepsWithin}::int`);
  const kept = row === undefined ? null : await readKept(db, row);
  return row === undefined || kept === null ? null : { epoch, stepsWithin, withinMs: row.withinMs, ...kept };
}

/** The model file as stored, unverified; null where there is none. */
export async function readModel(db: SqlPool, runId: string): Promise<ModelBytes | null> {
  const [row] = await db.$queryRaw<CheckpointRow[]>(sql`
    SELECT ${checkpointColumns} FROM "Checkpoint" WHERE "runId" = ${runId}::uuid AND "role" = 'model'`);
  const kept = row === undefined ? null : await readKept(db, row);
  if (row === undefined || kept === null) {
    return null;
  }
  const { epoch, stepsWithin, withinMs, sha256 } = row;
  return { epoch, stepsWithin, withinMs, sha256: sha256 ?? '', bytes: kept.bytes };
}

/** Removes a training state that is of no use, and tells clients why. False: the hold is stale. */
export async function discardState(
  db: SqlDatabase,
  hold: Hold,
  { epoch, stepsWithin }: StoredState,
  message: string,
): Promise<boolean> {
  return transact(db, async (tx) => {
    const run = await lockHeld(tx, hold);
    if (run === null) {
      return false;
    }
    await tx.$executeRaw`
      DELETE FROM "Checkpoint"
      WHERE "runId" = ${hold.runId}::uuid AND "role" = 'state'
        AND "epoch" = ${epoch}::int AND "stepsWithin" = ${stepsWithin}::int`;
    await appendEvents(tx, hold.runId, [{ type: 'log', data: { message } }]);
    return true;
  });
}

interface HeldWrite<Checkpoint> {
  readonly epochs: readonly FinishedEpoch[];
  readonly checkpoints: readonly Checkpoint[];
  readonly ending: HeldEnding | null;
}

interface GivenCheckpoint extends CheckpointBytes {
  readonly role: 'state' | 'model';
  readonly sha256: string | null;
}

type KeptCheckpoint = Omit<GivenCheckpoint, 'bytes'> & KeptBytes;

function stateOf(checkpoint: CheckpointBytes): GivenCheckpoint {
  return { role: 'state', sha256: null, ...checkpoint };
}

/** Like `writeHeld`. Large checkpoints come first, so that nobody has to wait for the run's row while they are written. */
async function write(
  db: SqlPool,
  hold: Hold,
  statuses: readonly HeldStatus[],
  { epochs, checkpoints, ending }: HeldWrite<GivenCheckpoint>,
): Promise<HeldStatus | null> {
  const isLarge = ({ bytes }: GivenCheckpoint) => bytes.byteLength > inRowBytesMax;
  const inRow = (each: GivenCheckpoint): KeptCheckpoint => ({ ...each, ...keepInRow(each.bytes) });
  const withTables = async (tx: ByteTransaction) => {
    const kept: KeptCheckpoint[] = [];
    for (const each of checkpoints) {
      kept.push(isLarge(each) ? { ...each, ...(await keepInTable(tx, each.bytes)) } : inRow(each));
    }
    const held = await writeHeld(tx, hold, statuses, { epochs, checkpoints: kept, ending });
    for (const { partsId } of held === null ? kept : []) {
      if (partsId !== null) await dropTable(tx, partsId);
    }
    return held;
  };
  const byteLength = checkpoints.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
  const written = checkpoints.some(isLarge)
    ? await db.$transaction(withTables, { timeout: transferMsMax(byteLength) })
    : await writeHeld(db, hold, statuses, { epochs, checkpoints: checkpoints.map(inRow), ending });
  await dropParts(db, written?.outdated ?? []);
  return written?.status ?? null;
}

/**
 * Everything in one statement: whoever asks, at any moment, sees all of it or nothing, and it costs one round trip.
 * Answers with the state the run was in, and with the tables that are of no use any more. Null: it is not held with
 * this fence in one of the given states, or epochs are missing, and nothing was written.
 */
async function writeHeld(
  db: SqlTransaction,
  hold: Hold,
  statuses: readonly HeldStatus[],
  { epochs, checkpoints, ending }: HeldWrite<KeptCheckpoint>,
): Promise<{ readonly status: HeldStatus; readonly outdated: readonly string[] } | null> {
  const first = epochs.at(0)?.epoch ?? 0;
  const last = epochs.at(-1);
  const state = checkpoints.find(({ role }) => role === 'state');
  const events = ending === null ? [] : endingEvents(ending);
  const bestEpoch =
    ending?.bestEpoch === undefined
      ? sql`CASE WHEN "added" > 0 THEN ${last?.bestEpoch ?? null}::int ELSE run."bestEpoch" END`
      : sql`${ending.bestEpoch}::int`;
  // The row's lock comes first, so "held" is the newest version and stays it. JSON has no NaN and no infinity:
  // JSON.stringify turns them into null, as the columns want them.
  const rows = await db.$queryRaw<{ status: HeldStatus; outdated: string[] }[]>(sql`
    WITH held AS (
      SELECT "id", "status", "epoch", "eventSequence",
        ("spec" #>> '{training,checkpoints,keepEvery}')::int AS "keepEvery",
        GREATEST(${last?.epoch ?? 0}::int - "epoch", 0) AS "added"
      FROM "Run"
      WHERE "id" = ${hold.runId}::uuid AND "fence" = ${hold.fence}::int
        AND "status" = ANY(${statuses}::"RunStatus"[]) AND "epoch" >= ${first - 1}::int
      FOR UPDATE
    ), epochs AS (
      INSERT INTO "Epoch" ("runId", "epoch", "sequence", "metrics", "diverged", "weightsSha256", "chainSha256",
        "durationMs", "etaSeconds")
      SELECT held."id", fresh."epoch", held."eventSequence" + fresh."epoch" - held."epoch", "metrics", "diverged",
        "weightsSha256", "chainSha256", "durationMs", "etaSeconds"
      FROM held, jsonb_to_recordset(${JSON.stringify(epochs)}::jsonb) AS fresh(
        "epoch" int, "metrics" jsonb, "diverged" boolean, "weightsSha256" text, "chainSha256" text,
        "durationMs" float8, "etaSeconds" float8)
      WHERE fresh."epoch" > held."epoch"
    ), events AS (
      INSERT INTO "RunEvent" ("runId", "sequence", "type", "data")
      SELECT held."id", (held."eventSequence" + held."added" + event.position)::int,
        event.value->>'type', event.value->'data'
      FROM held, jsonb_array_elements(${JSON.stringify(events)}::jsonb) WITH ORDINALITY
        AS event(value, position)
    ), ${checkpoints.length === 0 ? empty : sql`checkpoints AS (${upsert(checkpoints)}),`}
    ${state === undefined ? empty : sql`outdated AS (${deleteOlderThan(state)}),`} written AS (
      UPDATE "Run" AS run SET
        "epoch" = held."epoch" + "added",
        "restarts" = CASE WHEN "added" > 0 OR ${state !== undefined}::boolean THEN 0 ELSE run."restarts" END,
        "bestEpoch" = ${bestEpoch},
        "chainSha256" = CASE WHEN "added" > 0 THEN ${last?.chainSha256 ?? null}::text ELSE run."chainSha256" END,
        "eventSequence" = held."eventSequence" + "added" + ${events.length}::int
        ${ending === null ? empty : sql`, ${endingColumns(ending)}`}
      FROM held WHERE run."id" = held."id"
    )
    SELECT "status", pg_notify(${runEventsChannel}, "id"::text)::text,
      ${state === undefined ? sql`ARRAY[]::text[]` : outdatedParts} AS "outdated"
    FROM held`);
  return rows[0] ?? null;
}

const outdatedParts = sql`ARRAY(SELECT "partsId"::text FROM outdated WHERE "partsId" IS NOT NULL)`;

/** From `held`, a row each. */
function upsert(checkpoints: readonly KeptCheckpoint[]): Sql {
  const rows = checkpoints.map(
    ({ role, epoch, stepsWithin, withinMs, sha256, crc32, byteLength, bytes, partsId }) => sql`
      (${role}::"CheckpointRole", ${epoch}::int, ${stepsWithin}::int, ${withinMs}::float8, ${sha256}, ${crc32},
        ${byteLength}::bigint, ${bytes}::bytea, ${partsId}::uuid)`,
  );
  return sql`
    INSERT INTO "Checkpoint" (
      "runId", "role", "epoch", "stepsWithin", "withinMs", "sha256", "crc32", "byteLength", "bytes", "partsId")
    SELECT held."id", given.* FROM held, (VALUES ${join(rows)}) AS given
    ON CONFLICT ("runId", "role", "epoch", "stepsWithin") DO UPDATE SET
      "withinMs" = EXCLUDED."withinMs", "sha256" = EXCLUDED."sha256", "crc32" = EXCLUDED."crc32",
      "byteLength" = EXCLUDED."byteLength", "bytes" = EXCLUDED."bytes", "partsId" = EXCLUDED."partsId",
      "createdAt" = now()`;
}

/**
 * Beside the given state the one before it stays, for the case that the given one is damaged, and every so many
 * epochs' where the spec says so.
 */
function deleteOlderThan({ epoch, stepsWithin }: StoredState): Sql {
  return sql`
    DELETE FROM "Checkpoint" AS old USING held
    WHERE old."runId" = held."id" AND old."role" = 'state'
      AND (held."keepEvery" IS NULL OR old."stepsWithin" > 0 OR old."epoch" % held."keepEvery" > 0)
      AND EXISTS (
        SELECT FROM "Checkpoint" AS newer
        WHERE newer."runId" = held."id" AND newer."role" = 'state'
          AND (newer."epoch", newer."stepsWithin") > (old."epoch", old."stepsWithin")
          AND (newer."epoch", newer."stepsWithin") < (${epoch}::int, ${stepsWithin}::int))
    RETURNING old."partsId"`;
}

/** Why nothing was written: the state the run is in instead, or `lost`. Throws where epochs are missing. */
async function explainRefusal(
  db: SqlDatabase,
  hold: Hold,
  epochs: readonly FinishedEpoch[],
): Promise<HeldStatus | 'lost'> {
  const run = await readHeld(db, hold);
  const first = epochs[0]?.epoch;
  if (run !== null && first !== undefined && first > run.epoch + 1) {
    throw new Error(`epoch ${first} of run ${hold.runId} does not follow epoch ${run.epoch}`);
  }
  return run?.status ?? 'lost';
}
