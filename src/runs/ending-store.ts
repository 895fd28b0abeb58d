// How a run's row changes its state and how that is told. The caller holds the row's lock and has asked the
// table in status.ts.
import sql, { type Sql } from 'sql-template-tag';
import type { SqlTransaction } from '../db/sql.ts';
import { appendEvents, type NewEvent } from './events-store.ts';
import type { RunFailure, RunStatus, StopReason, TerminalStatus } from './status.ts';

export interface Ending {
  readonly status: TerminalStatus;
  readonly stopReason: StopReason;
  readonly failure?: RunFailure | undefined;
  /** JSON; numbers that are not finite become null. */
  readonly results?: unknown;
  readonly weightsSha256?: string | undefined;
}

/** Writes a terminal state, lets go of the lease, and appends `status` and `done`. */
export async function endRun(tx: SqlTransaction, runId: string, ending: Ending): Promise<void> {
  await tx.$executeRaw(sql`UPDATE "Run" SET ${endingColumns(ending)} WHERE "id" = ${runId}::uuid`);
  await appendEvents(tx, runId, endingEvents(ending));
}

/** What an ending sets in the run's row. */
export function endingColumns({ status, stopReason, failure, results, weightsSha256 }: Ending): Sql {
  return sql`
    "status" = ${status}::"RunStatus",
    "stopReason" = ${stopReason},
    "failure" = ${json(failure && readable(failure))}::jsonb,
    "results" = ${json(results)}::jsonb,
    "weightsSha256" = ${weightsSha256 ?? null},
    "finishedAt" = now(), "workerId" = NULL, "leaseExpiresAt" = NULL`;
}

/** The last events of a run. */
export function endingEvents(ending: Ending): NewEvent[] {
  const { status, stopReason, failure, results = null, weightsSha256 = null } = ending;
  const told = failure === undefined ? {} : { failure: readable(failure) };
  return [
    { type: 'status', data: { status, stopReason } },
    { type: 'done', data: { status, stopReason, results, weightsSha256, ...told } },
  ];
}

/** Writes a state without a holder (`queued`, `paused`); the next ticket is due at once. */
export async function parkRun(
  tx: SqlTransaction,
  runId: string,
  status: RunStatus,
  { restarts }: { restarts: number },
): Promise<void> {
  await tx.$executeRaw`
    UPDATE "Run" SET
      "status" = ${status}::"RunStatus", "restarts" = ${restarts}::int,
      "workerId" = NULL, "leaseExpiresAt" = NULL, "ticketedAt" = NULL
    WHERE "id" = ${runId}::uuid`;
  await appendEvents(tx, runId, [{ type: 'status', data: { status } }]);
}

function json(value: unknown): string | null {
  return value === undefined || value === null ? null : JSON.stringify(value);
}

/** Postgres has no NUL in its text; a detail may quote what somebody uploaded. */
function readable({ code, detail }: RunFailure): RunFailure {
  return { code, detail: detail.replaceAll('\u0000', '\ufffd').slice(0, 2_000) };
}
