// Rings the doorbell for runs that were just queued. It may fail: the reconciler rings again.
import type { SqlDatabase } from '../db/sql.ts';
import { failpoint } from '../failpoints.ts';
import type { Log } from '../log.ts';
import type { Ticket, TicketQueue } from '../queue/queue.ts';
import { markTicketed } from './reconcile-store.ts';

interface TicketDeps {
  readonly db: SqlDatabase;
  readonly queue: TicketQueue;
  readonly log: Log;
}

export interface TicketIssuer {
  /** Returns at once. Tickets that come while others are being sent go together. */
  issue(ticket: Ticket): void;
}

const togetherMax = 1_000;

export function createTicketIssuer(deps: TicketDeps): TicketIssuer {
  const waiting: Ticket[] = [];
  let sending = false;
  const send = async (): Promise<void> => {
    sending = true;
    while (waiting.length > 0) {
      await issueTickets(deps, waiting.splice(0, togetherMax));
    }
    sending = false;
  };
  return {
    issue: (ticket) => {
      waiting.push(ticket);
      if (!sending) {
        void send();
      }
    },
  };
}

/** Sends the tickets and notes that they are out. Never rejects; false when they did not get through. */
export async function issueTickets(
  { db, queue, log }: TicketDeps,
  tickets: readonly Ticket[],
): Promise<boolean> {
  if (tickets.length === 0) {
    return true;
  }
  try {
    await queue.sendAll(tickets);
    failpoint('tickets.sent');
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
