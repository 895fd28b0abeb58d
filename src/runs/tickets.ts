// Rings the doorbell for runs that were just queued. It may fail: the reconciler rings again.
import type { Database } from '../db/client.ts';
import type { Log } from '../log.ts';
import type { Ticket, TicketQueue } from '../queue/queue.ts';
import { markTicketed } from './reconcile-store.ts';

/** Sends the tickets and notes that they are out. Never rejects; false when they did not get through. */
export async function issueTickets(
  { db, queue, log }: { readonly db: Database; readonly queue: TicketQueue; readonly log: Log },
  tickets: readonly Ticket[],
): Promise<boolean> {
  if (tickets.length === 0) {
    return true;
  }
  try {
    await queue.sendAll(tickets);
    await markTicketed(
      db,
      tickets.map(({ runId }) => runId),
    );
    return true;
  } catch (error) {
    log.warn(
      { err: error, tickets: tickets.length },
      'tickets could not be sent; the reconciler will try again',
    );
    return false;
  }
}
