// One server-sent event stream to one reader. Nothing is queued for a slow reader beyond one write: the next
// event is only fetched once the last one was taken, and a reader that takes nothing is dropped.
import type { ServerResponse } from 'node:http';

export interface SseLimits {
  readonly heartbeatMs: number;
  /** A reader that has taken nothing for this long is dropped. */
  readonly stallMs: number;
  /** A reader with more than this waiting for it is not written to. */
  readonly bufferedBytesMax: number;
}

export const defaultSseLimits: SseLimits = {
  heartbeatMs: 15_000,
  stallMs: 10_000,
  bufferedBytesMax: 256 * 1024,
};

export interface SseEvent {
  readonly id: string;
  readonly event: string;
  readonly data: unknown;
}

export interface SseStream {
  /** Aborted when the reader left or was dropped. */
  readonly signal: AbortSignal;
  /** Resolves when there is room for more; false when the stream is over. */
  send(event: SseEvent): Promise<boolean>;
  close(): void;
  /** The same, and the reader is told to come back at once. */
  sendAway(): void;
}

/** After a break that nobody announced, and after one that was: another process may be there already. */
const retryMs = 2_000;
const retryAwayMs = 500;

/** Takes the response over: the headers are sent at once. */
export function openSse(
  response: ServerResponse,
  headers: Readonly<Record<string, string | number | string[] | undefined>>,
  limits: SseLimits,
): SseStream {
  const over = new AbortController();
  const set = Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined);
  response.writeHead(200, {
    ...Object.fromEntries(set),
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  response.flushHeaders();
  const heartbeat = setInterval(() => {
    if (response.writableLength === 0) response.write(': heartbeat\n\n');
  }, limits.heartbeatMs);
  const end = () => {
    clearInterval(heartbeat);
    over.abort();
  };
  response.once('close', end);
  response.once('error', end);
  // A reader that left before this will not be heard leaving.
  if (response.destroyed) end();
  response.write(`retry: ${retryMs}\n\n`);

  const close = () => {
    end();
    if (response.destroyed || response.writableEnded) return;
    response.end();
    // Waiting for a reader that does not read would keep the whole service from stopping.
    if (response.writableLength > 0) setTimeout(() => response.destroy(), 1_000).unref();
  };

  return {
    signal: over.signal,
    async send({ id, event, data }) {
      if (over.signal.aborted) return false;
      response.write(`id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
      // Node's own mark (16 KiB) would stop a burst of small events for nothing.
      if (response.writableLength <= limits.bufferedBytesMax) return true;
      await drained(response, limits.stallMs, over.signal);
      return !over.signal.aborted;
    },
    close,
    sendAway() {
      if (!over.signal.aborted) response.write(`retry: ${retryAwayMs}\n\n`);
      close();
    },
  };
}

function drained(response: ServerResponse, stallMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(clock);
      response.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const clock = setTimeout(() => response.destroy(), stallMs);
    response.once('drain', done);
    signal.addEventListener('abort', done, { once: true });
  });
}
