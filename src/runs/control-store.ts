// What a client wants of a run. The wish is written first; the worker hears of it by NOTIFY and, should that be
// lost, with its next lease renewal.
import type { Database } from '../db/client.ts';
import type { Run } from '../db/generated/client.ts';
import { endRun } from './ending-store.ts';
import { appendEvents, notify, runControlChannel } from './events-store.ts';
import { type RunStatus, transition } from './status.ts';

export type ControlResult =
  | { readonly outcome: 'accepted' | 'illegalTransition'; readonly run: Run }
  | { readonly outcome: 'notFound' };

/** Cancels a waiting run at once and asks a running one to stop. Asked again it answers the same. */
export async function requestCancel(db: Database, projectId: string, runId: string): Promise<ControlResult> {
  return db.$transaction(async (tx) => {
    const rows = await tx.$queryRaw<{ status: RunStatus }[]>`
      SELECT "status" FROM "Run"
      WHERE "id" = ${runId}::uuid AND "projectId" = ${projectId}::uuid
      FOR UPDATE`;
    const status = rows[0]?.status;
    if (status === undefined) {
      return { outcome: 'notFound' };
    }
    const already = status === 'cancelling' || status === 'cancelled';
    const next = transition(status, 'cancel');
    if (!already && next === 'cancelled') {
      await endRun(tx, runId, { status: next, stopReason: 'user' });
    } else if (!already && next !== null) {
      await tx.$executeRaw`
        UPDATE "Run" SET "status" = ${next}::"RunStatus" WHERE "id" = ${runId}::uuid`;
      await appendEvents(tx, runId, [{ type: 'status', data: { status: next } }]);
      await notify(tx, runControlChannel, runId);
    }
    const run = await tx.run.findUniqueOrThrow({ where: { id: runId } });
    return { outcome: already || next !== null ? 'accepted' : 'illegalTransition', run };
  });
}
