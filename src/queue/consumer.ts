// Fetches tickets one by one and finishes them at once, while their receiver is at work already. A fetch that does not come back in time, or fails, costs
// its end: it is closed in the background and the next fetch opens another. So a back end that went away, for
// however long and in whatever manner, is served again by the same process (the drivers alone do not promise it).
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { pause, within } from '../deadline.ts';
import type { Log } from '../log.ts';
import { blockSeconds, type ConsumerEnd, openConsumer, type QueueTarget } from './backends.ts';

const fetchLimitMs = blockSeconds * 1_000 + 4_000;
const finishLimitMs = 2_000;
const closeLimitMs = 2_000;
const retryMinMs = 100;
const retryMaxMs = 2_000;

const ticket = z.object({ runId: z.uuid() });

export interface Consumer {
  /** The next ticket's run id; null once the signal aborts or the consumer is closed. One caller at a time. */
  receive(signal: AbortSignal): Promise<string | null>;
  close(): Promise<void>;
}

export function createConsumer(target: QueueTarget, log: Log): Consumer {
  const closing = new AbortController();
  let end: ConsumerEnd | null = null;
  /** A fetch outlives the caller that gave up on it; what it brings belongs to the next caller. */
  let fetching: Promise<string | null> | null = null;
  let retryMs = retryMinMs;

  const open = (): ConsumerEnd => {
    const opened = openConsumer(target);
    opened.on('error', (error) => log.debug({ err: error }, 'the ticket consumer lost its connection'));
    opened.startStalledCheckTimer().catch(() => undefined);
    return opened;
  };

  /** One bounded attempt; never rejects. */
  const fetchOnce = async (): Promise<string | null> => {
    end ??= open();
    const mine = end;
    try {
      const token = randomUUID();
      const job = await within(fetchLimitMs, mine.getNextJob(token, { block: true }));
      retryMs = retryMinMs;
      if (job === undefined) {
        return null;
      }
      const parsed = ticket.safeParse(job.data);
      // If this fails the ticket comes back or is lost; both are harmless, the run's row decides.
      within(finishLimitMs, job.moveToCompleted('', token, false)).catch((error: unknown) =>
        log.debug({ err: error }, 'a ticket could not be finished'),
      );
      if (!parsed.success) {
        log.warn({ job: job.id }, 'dropped a ticket that names no run');
        return null;
      }
      return parsed.data.runId;
    } catch (error) {
      if (end === mine) {
        end = null;
      }
      void discard(mine);
      if (!closing.signal.aborted) {
        log.warn({ err: error, retryMs }, 'the ticket queue is away');
        await pause(retryMs, closing.signal);
        retryMs = Math.min(retryMs * 2, retryMaxMs);
      }
      return null;
    }
  };

  return {
    receive: async (signal) => {
      const stop = AbortSignal.any([signal, closing.signal]);
      const ended = aborted(stop);
      while (!stop.aborted) {
        fetching ??= fetchOnce();
        const runId = await Promise.race([fetching, ended]);
        if (runId === stopped) {
          return null;
        }
        fetching = null;
        if (runId !== null) {
          return runId;
        }
      }
      return null;
    },
    close: async () => {
      closing.abort();
      const last = end;
      end = null;
      if (last !== null) {
        await discard(last);
      }
    },
  };
}

const stopped = Symbol('stopped');

function aborted(signal: AbortSignal): Promise<typeof stopped> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve(stopped);
    } else {
      signal.addEventListener('abort', () => resolve(stopped), { once: true });
    }
  });
}

/** Never throws, never hangs. */
async function discard(end: ConsumerEnd): Promise<void> {
  await within(closeLimitMs, end.close(true)).catch(() => undefined);
}
