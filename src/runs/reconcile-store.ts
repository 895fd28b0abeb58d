// What the reconciler reads and mends. Every statement is right on its own, at any time and any number of times:
// the reconciler's lock only saves work.
import type { SqlDatabase } from '../db/sql.ts';
import type { Ticket } from '../queue/queue.ts';

/**
 * Queued runs, oldest first, whose ticket was sent too long ago or never. Only the head of the line is looked
 * at: the ones behind cannot start before these, so a long queue costs no more than a short one.
 */
export async function findUnticketed(
  db: SqlDatabase,
  { staleSeconds, limit }: { staleSeconds: number; limit: number },
): Promise<Ticket[]> {
  return db.$queryRaw<Ticket[]>`
    SELECT "id" AS "runId", "fence" FROM (
      SELECT "id", "fence", "ticketedAt" FROM "Run"
      WHERE "status" = 'queued' ORDER BY "createdAt" LIMIT ${limit}::int
    ) AS waiting
    WHERE "ticketedAt" IS NULL OR "ticketedAt" < now() - make_interval(secs => ${staleSeconds}::float8)`;
}

export async function markTicketed(db: SqlDatabase, runIds: readonly string[]): Promise<void> {
  await db.$executeRaw`
    UPDATE "Run" SET "ticketedAt" = now() WHERE "id" = ANY(${runIds}::uuid[]) AND "status" = 'queued'`;
}

/** A replay is promised for 24 hours. Answers with how many were deleted. */
export async function deleteOldIdempotencyKeys(db: SqlDatabase): Promise<number> {
  return db.$executeRaw`DELETE FROM "IdempotencyKey" WHERE "createdAt" < now() - interval '24 hours'`;
}
