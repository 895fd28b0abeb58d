// The doorbell: tickets saying that a run may start. Delivery is at least once and may fail altogether; the
// runs' rows in Postgres decide, and the reconciler rings again. The only folder that knows BullMQ.
import type { Log } from '../log.ts';
import type { QueueTarget, TicketJob } from './backends.ts';
import { createConsumer } from './consumer.ts';
import { createProducer } from './producer.ts';

export interface Ticket {
  /** Or a verification's id: the receiver looks for the one, then for the other. */
  readonly runId: string;
  /** The run's fence: a run that is queued again gets a ticket of its own, while a re-sent one is not doubled. */
  readonly fence: number;
}

export interface TicketQueue {
  /**
   * Rejects within about 1.5 s, mostly at once, when the back end is away; such a ticket may yet arrive.
   * `fence` is 0 for a new run. A ticket like one that waits, or was received moments ago, is dropped.
   */
  send(runId: string, fence?: number): Promise<void>;
  sendAll(tickets: readonly Ticket[]): Promise<void>;
  /** The next ticket's run; null once the signal aborts. Survives any absence of the back end. One at a time. */
  receive(signal: AbortSignal): Promise<string | null>;
  /** Tickets waiting. Rejects like `send`. */
  depth(): Promise<number>;
  /** Ends every wait; takes a few seconds at most. */
  close(): Promise<void>;
}

/** Connects lazily: a process that only sends holds no consumer, and the other way round. */
export function createTicketQueue({ log, ...target }: QueueTarget & { readonly log: Log }): TicketQueue {
  const producer = createProducer(target, log);
  const consumer = createConsumer(target, log);
  return {
    send: (runId, fence = 0) => producer.send([jobFor({ runId, fence })]),
    sendAll: (tickets) => producer.send(tickets.map(jobFor)),
    receive: consumer.receive,
    depth: producer.depth,
    close: async () => {
      await Promise.all([producer.close(), consumer.close()]);
    },
  };
}

function jobFor({ runId, fence }: Ticket): TicketJob {
  return {
    name: 'ticket',
    data: { runId },
    // BullMQ drops an add whose id it still holds, also that of a finished job: nothing is kept.
    opts: { jobId: `${runId}-${fence}`, removeOnComplete: true, removeOnFail: true },
  };
}
