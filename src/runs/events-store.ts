// A run's events, in a sequence from 1 without gaps: the counter lies in the run's row, so its lock orders the
// writers, and a transaction that fails takes its numbers back. An epoch is an event, too: its row in "Epoch" holds its
// number, and "RunEvent" holds the others.
import sql, { type Sql } from 'sql-template-tag';
import type { SqlTransaction } from '../db/sql.ts';
import type { RunEvent } from './schema.ts';

/** NOTIFY channels; the payload is a run's id. */
export const runEventsChannel = 'trainyard_run_events';
export const runControlChannel = 'trainyard_run_control';

export interface NewEvent {
  readonly type: 'status' | 'log' | 'diagnosis' | 'done';
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

/**
 * For a FROM: the events of the row `run` after a sequence number, `count` at most, as `toEvent` takes them. Of the
 * first n numbers of the sequence, which has no gap, those that no other event has are those of the first epochs. So
 * the primary key finds the epochs between two numbers: a page of a long run costs what one of a short run does.
 */
export function eventsAfter(after: number, count: number): Sql {
  const last = after + count;
  return sql`
    LATERAL (
      SELECT "sequence", "type", "data", "createdAt", NULL::int AS "epoch", NULL::int AS "epochs",
        NULL::boolean AS "diverged", NULL::float8 AS "etaSeconds"
      FROM "RunEvent"
      WHERE "runId" = run."id" AND "sequence" > ${after}::bigint AND "sequence" <= ${last}::bigint
      UNION ALL
      SELECT "sequence", 'epoch', "metrics", "createdAt", "epoch", run."epochsPlanned", "diverged", "etaSeconds"
      FROM "Epoch"
      WHERE "runId" = run."id" AND "epoch" > ${after}::bigint - ${othersUpTo(after)}
        AND "epoch" <= ${last}::bigint - ${othersUpTo(last)}
    )`;
}

/** How many events that are no epochs. */
function othersUpTo(sequence: number): Sql {
  return sql`(SELECT count(*) FROM "RunEvent" WHERE "runId" = run."id" AND "sequence" <= ${sequence}::bigint)`;
}

export interface EventRow {
  readonly sequence: number;
  readonly type: string;
  /** Of an epoch its metrics. */
  readonly data: unknown;
  readonly createdAt: Date;
  /** This and what follows is null but for an epoch. */
  readonly epoch: number | null;
  readonly epochs: number | null;
  readonly diverged: boolean | null;
  readonly etaSeconds: number | null;
}

/** Events are written by this service alone, with data of the shape that their type tells. */
export function toEvent({
  data,
  createdAt,
  epoch,
  epochs,
  diverged,
  etaSeconds,
  ...row
}: EventRow): RunEvent {
  // Postgres would take longer to put this together than for all the rest.
  const ofEpoch = { epoch, epochs, metrics: data, ...(diverged && { diverged }), etaSeconds };
  return { ...row, data: epoch === null ? data : ofEpoch, createdAt: createdAt.toISOString() } as RunEvent;
}
