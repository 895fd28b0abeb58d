// What a client wants of a run. The wish is written first; the worker hears of it by NOTIFY and, should that be
// lost, with its next lease renewal.
import type { Database } from '../db/client.ts';
import type { Run } from '../db/generated/client.ts';
import type { SqlTransaction } from '../db/sql.ts';
import { endRun, parkRun } from './ending-store.ts';
import { appendEvents, notify, runControlChannel } from './events-store.ts';
import { isHeld, isTerminal, type RunStatus, transition } from './status.ts';

export type ControlAction = 'cancel' | 'pause' | 'resume';

export type ControlResult =
  | { readonly outcome: 'accepted' | 'illegalTransition'; readonly run: Run }
  | { readonly outcome: 'notFound' };

/** Where a wish is granted already. Asked for again it is answered the same. */
const granted: Readonly<Record<ControlAction, readonly RunStatus[]>> = {
  cancel: ['cancelling', 'cancelled'],
  pause: ['pausing', 'paused'],
  resume: ['queued', 'running'],
};

/** Does at once what needs no worker, and asks the worker that holds the run for the rest. */
export async function controlRun(
  db: Database,
  projectId: string,
  runId: string,
  action: ControlAction,
): Promise<ControlResult> {
  return db.$transaction(async (tx) => {
    const [before] = await tx.$queryRaw<Before[]>`
      SELECT "id", "status", "restarts" FROM "Run"
      WHERE "id" = ${runId}::uuid AND "projectId" = ${projectId}::uuid
      FOR UPDATE`;
    if (before === undefined) {
      return { outcome: 'notFound' };
    }
    const isGranted = granted[action].includes(before.status);
    const next = isGranted ? null : transition(before.status, action);
    if (next !== null) {
      await move(tx, before, next);
    }
    const run = await tx.run.findUniqueOrThrow({ where: { id: runId } });
    return { outcome: isGranted || next !== null ? 'accepted' : 'illegalTransition', run };
  });
}

interface Before {
  readonly id: string;
  readonly status: RunStatus;
  readonly restarts: number;
}

async function move(tx: SqlTransaction, { id, restarts }: Before, next: RunStatus): Promise<void> {
  if (isTerminal(next)) {
    await endRun(tx, id, { status: next, stopReason: 'user' });
  } else if (isHeld(next)) {
    await tx.$executeRaw`
      UPDATE "Run" SET "status" = ${next}::"RunStatus" WHERE "id" = ${id}::uuid`;
    await appendEvents(tx, id, [{ type: 'status', data: { status: next } }]);
    await notify(tx, runControlChannel, id);
  } else {
    await parkRun(tx, id, next, { restarts });
  }
}
