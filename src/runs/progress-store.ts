// What a worker writes about the run it holds: epochs with their events and checkpoint, and the end. Each is one
// transaction that checks the fence first, and may be repeated when its answer was lost.
import type { Database, DatabaseTransaction } from '../db/client.ts';
import { endRun } from './ending-store.ts';
import { appendEvents } from './events-store.ts';
import { type Hold, lockHeld, transact } from './lease-store.ts';
import { type HeldStatus, isTerminal, type RunFailure, type StopReason, transition } from './status.ts';

export interface FinishedEpoch {
  readonly epoch: number;
  /** May hold numbers that are not finite; they are stored as null. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly diverged: boolean;
  readonly weightsSha256: string;
  readonly durationMs: number;
  readonly bestEpoch: number | null;
  readonly etaSeconds: number;
}

export interface CheckpointBytes {
  readonly epoch: number;
  readonly sha256: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Stores consecutive epochs; those the run already has (recomputed after a resume) are passed over. Answers with
 * what is wanted of the run, or `lost` when nothing was written because the hold is stale.
 */
export async function commitEpochs(
  db: Database,
  hold: Hold,
  epochs: readonly FinishedEpoch[],
  checkpoint: CheckpointBytes | null,
): Promise<HeldStatus | 'lost'> {
  return transact(db, async (tx) => {
    const run = await lockHeld(tx, hold);
    if (run === null) {
      return 'lost';
    }
    const fresh = epochs.filter(({ epoch }) => epoch > run.epoch);
    if (fresh.some(({ epoch }, i) => epoch !== run.epoch + 1 + i)) {
      throw new Error(`epoch ${fresh[0]?.epoch} of run ${hold.runId} does not follow epoch ${run.epoch}`);
    }
    const last = fresh.at(-1);
    if (last !== undefined) {
      await insertEpochs(tx, hold.runId, fresh);
      await tx.$executeRaw`
        UPDATE "Run" SET "epoch" = ${last.epoch}::int, "bestEpoch" = ${last.bestEpoch}::int, "restarts" = 0
        WHERE "id" = ${hold.runId}::uuid`;
    }
    if (checkpoint !== null) {
      await upsertCheckpoint(tx, hold.runId, 'latest', checkpoint);
    }
    await appendEvents(
      tx,
      hold.runId,
      fresh.map(({ epoch, metrics, diverged, etaSeconds }) => ({
        type: 'epoch',
        data: { epoch, epochs: run.epochsPlanned, metrics, etaSeconds, ...(diverged && { diverged }) },
      })),
    );
    return run.status;
  });
}

export interface Outcome {
  readonly action: 'succeed' | 'fail';
  readonly stopReason: StopReason;
  readonly failure?: RunFailure;
  readonly results?: unknown;
  readonly weightsSha256?: string;
  readonly bestEpoch?: number | null;
  /** The model to use. */
  readonly model?: CheckpointBytes;
}

/** Ends the run. A cancel that was accepted before wins. False: the hold is stale, nothing was written. */
export async function finishRun(db: Database, hold: Hold, outcome: Outcome): Promise<boolean> {
  return transact(db, async (tx) => {
    const run = await lockHeld(tx, hold);
    if (run === null) {
      return false;
    }
    const status = transition(run.status, outcome.action);
    if (status === null || !isTerminal(status)) {
      throw new Error(`a ${run.status} run cannot ${outcome.action}`);
    }
    if (status === 'cancelled') {
      await endRun(tx, hold.runId, { status, stopReason: 'user' });
      return true;
    }
    if (outcome.model !== undefined) {
      await upsertCheckpoint(tx, hold.runId, 'best', outcome.model);
    }
    if (outcome.bestEpoch !== undefined) {
      await tx.$executeRaw`
        UPDATE "Run" SET "bestEpoch" = ${outcome.bestEpoch}::int WHERE "id" = ${hold.runId}::uuid`;
    }
    const { stopReason, failure, results, weightsSha256 } = outcome;
    await endRun(tx, hold.runId, { status, stopReason, failure, results, weightsSha256 });
    return true;
  });
}

/** Appends a `log` event a client may read. False: the hold is stale. */
export async function appendLog(db: Database, hold: Hold, message: string): Promise<boolean> {
  return transact(db, async (tx) => {
    const run = await lockHeld(tx, hold);
    if (run !== null) {
      await appendEvents(tx, hold.runId, [{ type: 'log', data: { message } }]);
    }
    return run !== null;
  });
}

/** The state to go on from, as stored; its hash is for the reader to check. */
export async function readLatestCheckpoint(db: Database, runId: string): Promise<CheckpointBytes | null> {
  return db.checkpoint.findUnique({
    where: { runId_role: { runId, role: 'latest' } },
    select: { epoch: true, sha256: true, bytes: true },
  });
}

async function insertEpochs(
  tx: DatabaseTransaction,
  runId: string,
  epochs: readonly FinishedEpoch[],
): Promise<void> {
  // JSON has no NaN and no infinity: JSON.stringify turns them into null, as the column wants them.
  await tx.$executeRaw`
    INSERT INTO "Epoch" ("runId", "epoch", "metrics", "diverged", "weightsSha256", "durationMs")
    SELECT ${runId}::uuid, row."epoch", row."metrics", row."diverged", row."weightsSha256", row."durationMs"
    FROM jsonb_to_recordset(${JSON.stringify(epochs)}::jsonb) AS row(
      "epoch" int, "metrics" jsonb, "diverged" boolean, "weightsSha256" text, "durationMs" float8)`;
}

async function upsertCheckpoint(
  tx: DatabaseTransaction,
  runId: string,
  role: 'latest' | 'best',
  { epoch, sha256, bytes }: CheckpointBytes,
): Promise<void> {
  await tx.$executeRaw`
    INSERT INTO "Checkpoint" ("runId", "role", "epoch", "sha256", "byteLength", "bytes")
    VALUES (${runId}::uuid, ${role}::"CheckpointRole", ${epoch}::int, ${sha256}, ${bytes.byteLength}::int, ${bytes})
    ON CONFLICT ("runId", "role") DO UPDATE SET
      "epoch" = EXCLUDED."epoch", "sha256" = EXCLUDED."sha256", "byteLength" = EXCLUDED."byteLength",
      "bytes" = EXCLUDED."bytes", "createdAt" = now()`;
}
