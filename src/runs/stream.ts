// A run's events to one reader: first what it has missed, then what happens, until the run is over, the reader
// leaves, or its key is revoked. Events are always read from the database; the hub only says when to look.
import type { Database } from '../db/client.ts';
import type { SseStream } from '../http/sse.ts';
import type { EventHub } from './event-hub.ts';
import { readNews } from './store.ts';

export interface FollowedRun {
  readonly projectId: string;
  readonly id: string;
  readonly afterSequence: number;
}

const pageRows = 100;

/** Ends with the stream closed. `mayGoOn` is asked about every `recheckMs`. */
export async function streamEvents(
  { db, hub }: { readonly db: Database; readonly hub: EventHub },
  stream: SseStream,
  run: FollowedRun,
  { mayGoOn, recheckMs }: { mayGoOn: () => Promise<boolean>; recheckMs: number },
): Promise<void> {
  const bell = createBell(stream.signal);
  const unsubscribe = hub.subscribe(run.id, bell.ring);
  const recheck = setInterval(() => {
    mayGoOn().then(
      (allowed) => {
        if (!allowed) stream.close();
      },
      () => undefined, // the database is away: the key was good, and nothing can be read either
    );
  }, recheckMs);
  try {
    let after = run.afterSequence;
    while (!stream.signal.aborted) {
      const { ended, events } = await readNews(db, run, after, pageRows);
      for (const event of events) {
        if (!(await stream.send({ id: String(event.sequence), event: event.type, data: event.data }))) return;
        after = event.sequence;
        if (event.type === 'done') return;
      }
      if (events.length === pageRows) continue;
      if (ended) return;
      await bell.wait();
    }
  } finally {
    clearInterval(recheck);
    unsubscribe();
    stream.close();
  }
}

/** Rings that nobody waits for are kept: news that come while a page is being read are not missed. */
function createBell(signal: AbortSignal): { ring(): void; wait(): Promise<void> } {
  let rung = false;
  let wake: (() => void) | null = null;
  const ring = () => {
    rung = true;
    wake?.();
  };
  signal.addEventListener('abort', ring, { once: true });
  return {
    ring,
    wait: async () => {
      if (!rung) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      rung = false;
      wake = null;
    },
  };
}

export interface StreamQuota {
  /** Null when the key has as many streams as it may. */
  open(keyId: string): { close(): void } | null;
}

export function createStreamQuota(streamsMax: number): StreamQuota {
  const open = new Map<string, number>();
  return {
    open(keyId) {
      const count = open.get(keyId) ?? 0;
      if (count >= streamsMax) return null;
      open.set(keyId, count + 1);
      let closed = false;
      return {
        close() {
          if (closed) return;
          closed = true;
          const left = (open.get(keyId) ?? 1) - 1;
          if (left === 0) open.delete(keyId);
          else open.set(keyId, left);
        },
      };
    },
  };
}
