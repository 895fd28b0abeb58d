// Sends tickets. Opened at the first send; an end that fails for want of its server is closed and replaced.

import { DeadlineError, within } from '../deadline.ts';
import type { Log } from '../log.ts';
import { openProducer, type ProducerEnd, type QueueTarget, type TicketJob } from './backends.ts';

const sendLimitMs = 1_500;
const closeLimitMs = 1_000;
/** An end that is younger may still be connecting, or preparing its tables on a busy machine. */
const openLimitMs = 10_000;
/** After a send that ran out of time, further ones are refused at once for so long: a submit never queues up. */
const refuseMs = 1_000;

export interface Producer {
  /** Rejects within `sendLimitMs` when the back end does not take the tickets. */
  send(jobs: TicketJob[]): Promise<void>;
  /** Tickets waiting to be fetched. */
  depth(): Promise<number>;
  close(): Promise<void>;
}

export function createProducer(target: QueueTarget, log: Log): Producer {
  let end: ProducerEnd | null = null;
  let openedAt = 0;
  let refusedUntil = 0;
  let closed = false;

  const use = async <T>(work: (end: ProducerEnd) => Promise<T>): Promise<T> => {
    if (closed) {
      throw new Error('the ticket queue is closed');
    }
    if (performance.now() < refusedUntil) {
      throw new DeadlineError('the ticket queue did not answer a moment ago');
    }
    end ??= open();
    const mine = end;
    try {
      return await within(sendLimitMs, work(mine));
    } catch (error) {
      const late = error instanceof DeadlineError;
      if (late) {
        refusedUntil = performance.now() + refuseMs;
      }
      // Postgres remembers a failed first connection for ever, and a hung end is past helping: a new end serves
      // them all.
      if (end === mine && !(late && performance.now() - openedAt < openLimitMs)) {
        end = null;
        void discard(mine);
      }
      throw error;
    }
  };

  const open = (): ProducerEnd => {
    const opened = openProducer(target);
    openedAt = performance.now();
    opened.on('error', (error) => log.debug({ err: error }, 'the ticket producer lost its connection'));
    return opened;
  };

  return {
    send: async (jobs) => {
      await use((open) => open.addBulk(jobs));
    },
    depth: () => use((open) => open.getWaitingCount()),
    close: async () => {
      closed = true;
      const last = end;
      end = null;
      if (last !== null) {
        await discard(last);
      }
    },
  };
}

/** Closes politely, then by cutting the line; never throws, never hangs. */
async function discard(end: ProducerEnd): Promise<void> {
  try {
    await within(closeLimitMs, end.close());
  } catch {
    await within(closeLimitMs, end.disconnect()).catch(() => undefined);
  }
}
