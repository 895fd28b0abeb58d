// Who may train a run. A claim raises the run's fence and sets a lease by the database's clock; every later
// write of the worker names that fence and finds no row once somebody else may have the run.
import type { Database, DatabaseTransaction } from '../db/client.ts';
import { type Ending, endRun, parkRun } from './ending-store.ts';
import { appendEvents } from './events-store.ts';
import { type HeldStatus, isTerminal, type RunAction, transition } from './status.ts';

/** A worker's right to one run. */
export interface Hold {
  readonly runId: string;
  readonly fence: number;
}

export interface Claimant {
  readonly workerId: string;
  readonly leaseSeconds: number;
}

export interface ClaimedRun {
  readonly hold: Hold;
  readonly spec: unknown;
  /** The last stored epoch. */
  readonly epoch: number;
  readonly epochsPlanned: number;
  readonly datasetId: string;
  readonly dataset: {
    readonly contentSha256: string;
    readonly byteLength: number;
    readonly columns: unknown;
  };
}

/** As many claims in a row without a new epoch end the run. */
export const restartsMax = 5;

/** Takes a queued run. Null when it is not queued any more: the ticket was late or a copy. */
export async function claimRun(db: Database, runId: string, claimant: Claimant): Promise<ClaimedRun | null> {
  return transact(db, async (tx) => {
    const claimed = await tx.$queryRaw<{ fence: number }[]>`
      UPDATE "Run" SET
        "status" = 'running', "fence" = "fence" + 1, "restarts" = "restarts" + 1,
        "workerId" = ${claimant.workerId},
        "leaseExpiresAt" = now() + make_interval(secs => ${claimant.leaseSeconds}::float8),
        "startedAt" = COALESCE("startedAt", now())
      WHERE "id" = ${runId}::uuid AND "status" = 'queued'
      RETURNING "fence"`;
    const fence = claimed[0]?.fence;
    if (fence === undefined) {
      return null;
    }
    await appendEvents(tx, runId, [{ type: 'status', data: { status: 'running' } }]);
    const run = await tx.run.findUniqueOrThrow({
      where: { id: runId },
      select: {
        spec: true,
        epoch: true,
        epochsPlanned: true,
        datasetId: true,
        dataset: { select: { contentSha256: true, byteLength: true, columns: true } },
      },
    });
    return {
      ...run,
      hold: { runId, fence },
      dataset: { ...run.dataset, byteLength: Number(run.dataset.byteLength) },
    };
  });
}

/** Claims the run that waits longest, ticket or not: training goes on while the queue is away. */
export async function claimNextRun(db: Database, claimant: Claimant): Promise<ClaimedRun | null> {
  const waiting = await db.$queryRaw<{ id: string }[]>`
    SELECT "id" FROM "Run" WHERE "status" = 'queued' ORDER BY "createdAt" LIMIT 8`;
  for (const { id } of waiting) {
    const claimed = await claimRun(db, id, claimant);
    if (claimed !== null) {
      return claimed;
    }
  }
  return null;
}

/** Extends the lease and says what is wanted of the run now. `lost`: drop it at once. */
export async function renewLease(
  db: Database,
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

/** What is wanted of the run, without touching its lease. */
export async function readWanted(db: Database, hold: Hold): Promise<HeldStatus | 'lost'> {
  const rows = await db.$queryRaw<{ status: HeldStatus }[]>`
    SELECT "status" FROM "Run"
    WHERE "id" = ${hold.runId}::uuid AND "fence" = ${hold.fence}::int
      AND "status" IN ('running', 'pausing', 'cancelling')`;
  return rows[0]?.status ?? 'lost';
}

/** Stopped on purpose: queued again, paused or cancelled, as was wanted. Not a crash. False: not held. */
export async function releaseRun(db: Database, hold: Hold): Promise<boolean> {
  return transact(db, async (tx) => {
    const held = await lockHeld(tx, hold);
    if (held !== null) {
      await letGo(tx, held, 'release');
    }
    return held !== null;
  });
}

/** The training died under a living worker: the same as a lease that ran out. False: not held. */
export async function surrenderRun(db: Database, hold: Hold): Promise<boolean> {
  return transact(db, async (tx) => {
    const held = await lockHeld(tx, hold);
    if (held !== null) {
      await letGo(tx, held, 'expire');
    }
    return held !== null;
  });
}

/** Takes runs back from workers whose lease ran out, and answers with their ids. */
export async function requeueExpired(db: Database): Promise<string[]> {
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
export async function lockHeld(tx: DatabaseTransaction, hold: Hold): Promise<HeldRun | null> {
  const rows = await tx.$queryRaw<HeldRun[]>`
    SELECT "id", "status", "epoch", "epochsPlanned", "restarts" FROM "Run"
    WHERE "id" = ${hold.runId}::uuid AND "fence" = ${hold.fence}::int
      AND "status" IN ('running', 'pausing', 'cancelling')
    FOR UPDATE`;
  return rows[0] ?? null;
}

/** Checkpoints of some hundred megabytes travel inside these transactions. */
export function transact<T>(db: Database, work: (tx: DatabaseTransaction) => Promise<T>): Promise<T> {
  return db.$transaction(work, { maxWait: 5_000, timeout: 60_000 });
}

async function letGo(tx: DatabaseTransaction, run: HeldRun, action: RunAction): Promise<void> {
  const next = transition(run.status, action);
  if (next === null) {
    throw new Error(`a ${run.status} run cannot ${action}`);
  }
  if (next === 'cancelled') {
    await endRun(tx, run.id, cancelled);
  } else if (isTerminal(next)) {
    throw new Error(`${action} does not end a ${run.status} run`);
  } else if (action === 'expire' && next === 'queued' && run.restarts >= restartsMax) {
    await endRun(tx, run.id, crashLoop);
  } else {
    const restarts = action === 'release' ? Math.max(run.restarts - 1, 0) : run.restarts;
    await parkRun(tx, run.id, next, { restarts });
  }
}

const cancelled: Ending = { status: 'cancelled', stopReason: 'user' };
const crashLoop: Ending = {
  status: 'failed',
  stopReason: 'crashLoop',
  failure: {
    code: 'crashLoop',
    detail: `The training was started ${restartsMax} times and died each time before it finished another epoch.`,
  },
};
