// A run's events, in a sequence from 1 without gaps: the counter lies in the run's row, so its lock orders the
// writers, and a transaction that fails takes its numbers back.
import type { SqlTransaction } from '../db/sql.ts';

/** NOTIFY channels; the payload is a run's id. */
export const runEventsChannel = 'trainyard_run_events';
export const runControlChannel = 'trainyard_run_control';

export interface NewEvent {
  readonly type: 'status' | 'epoch' | 'log' | 'diagnosis' | 'done';
  readonly data: Readonly<Record<string, unknown>>;
}

/** Call it in the transaction that does what the events tell. Listeners hear of them when that commits. */
export async function appendEvents(
  tx: SqlTransaction,
  runId: string,
  events: readonly NewEvent[],
): Promise<void> {
  if (events.length === 0) {
    return;
  }
  const written = await tx.$executeRaw`
    WITH run AS (
      UPDATE "Run" SET "eventSequence" = "eventSequence" + ${events.length}::int
      WHERE "id" = ${runId}::uuid
      RETURNING "id", "eventSequence" - ${events.length}::int AS "before"
    )
    INSERT INTO "RunEvent" ("runId", "sequence", "type", "data")
    SELECT run."id", run."before" + event.position, event.value->>'type', event.value->'data'
    FROM run, jsonb_array_elements(${JSON.stringify(events)}::jsonb) WITH ORDINALITY AS event(value, position)`;
  if (written !== events.length) {
    throw new Error(`run ${runId} does not exist`);
  }
  await notify(tx, runEventsChannel, runId);
}

/** Sent when the transaction commits. */
export async function notify(tx: SqlTransaction, channel: string, runId: string): Promise<void> {
  await tx.$executeRaw`SELECT pg_notify(${channel}, ${runId})`;
}
