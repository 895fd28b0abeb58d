// Mends what crashes leave behind, every few seconds, in one process at a time: leases that ran out, queued runs
// whose ticket was lost, workers that are gone, tables of checkpoints that are gone, idempotency keys past their day.

import { tryAdvisoryLock } from '../db/advisory-lock.ts';
import type { SqlDatabase } from '../db/sql.ts';
import { failpoint } from '../failpoints.ts';
import type { Log } from '../log.ts';
import type { TicketQueue } from '../queue/queue.ts';
import { forgetDeadWorkers } from '../workers/store.ts';
import { dropParts, findUnusedParts } from './checkpoint-store.ts';
import { requeueExpired } from './lease-store.ts';
import { deleteOldIdempotencyKeys, findUnticketed } from './reconcile-store.ts';
import { issueTickets } from './tickets.ts';
import { requeueExpiredVerifications } from './verification-store.ts';

export interface ReconcilerDeps {
  readonly db: SqlDatabase;
  /** For the lock's own connection. */
  readonly databaseUrl: string;
  readonly queue: TicketQueue;
  readonly log: Log;
}

const staleSeconds = 10;
const ticketsMax = 1_000;

/** One pass. False: another process is at it. */
export async function reconcile(deps: ReconcilerDeps): Promise<boolean> {
  return tryAdvisoryLock(deps.databaseUrl, 'reconcile', async () => {
    failpoint('reconcile.locked');
    const requeued = await requeueExpired(deps.db);
    if (requeued.length > 0) {
      deps.log.warn({ runs: requeued }, 'took runs back from workers that are gone');
    }
    const orphans = await requeueExpiredVerifications(deps.db);
    if (orphans > 0) {
      deps.log.warn({ verifications: orphans }, 'took verifications back from workers that are gone');
    }
    const dead = await forgetDeadWorkers(deps.db);
    if (dead.length > 0) {
      deps.log.warn({ workers: dead }, 'forgot workers that are gone');
    }
    const unticketed = await findUnticketed(deps.db, { staleSeconds, limit: ticketsMax });
    await issueTickets(deps, unticketed);
    await dropParts(deps.db, await findUnusedParts(deps.db));
    await deleteOldIdempotencyKeys(deps.db);
  });
}

export interface Reconciler {
  /** Waits for a pass under way. */
  stop(): Promise<void>;
}

/** The first pass starts at once; the next one `intervalSeconds` after the end of the last. */
export function startReconciler(deps: ReconcilerDeps, intervalSeconds: number): Reconciler {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let pass: Promise<void> = Promise.resolve();

  const run = async (): Promise<void> => {
    try {
      await reconcile(deps);
    } catch (error) {
      deps.log.warn({ err: error }, 'the reconciler could not finish its pass');
    }
    if (!stopped) {
      timer = setTimeout(start, intervalSeconds * 1_000);
    }
  };
  const start = (): void => {
    pass = run();
  };

  start();
  return {
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await pass;
    },
  };
}
