// Tells open streams that a run has news. One LISTEN connection serves them all; it is made when the first
// stream opens, and while it is away every stream is told to look by itself once a second.
import { type Listener, listen } from '../db/listen.ts';

export interface EventHub {
  /** `onNews` may be called more often than there is news. Returns how to stop. */
  subscribe(runId: string, onNews: () => void): () => void;
  close(): Promise<void>;
}

const channel = 'trainyard_run_events';

export function createEventHub(databaseUrl: string, { pollMs = 1_000 }: { pollMs?: number } = {}): EventHub {
  const subscribers = new Map<string, Set<() => void>>();
  let connection: Promise<Listener> | null = null;
  let listening = false;
  let closed = false;

  const tellAll = () => {
    for (const readers of subscribers.values()) for (const onNews of readers) onNews();
  };
  const connect = () => {
    if (connection !== null || closed) return;
    connection = listen(
      databaseUrl,
      channel,
      (runId) => {
        for (const onNews of subscribers.get(runId) ?? []) onNews();
      },
      tellAll,
    );
    connection.then(
      () => {
        listening = true;
        tellAll(); // what happened while the connection was being made
      },
      () => {
        connection = null;
      },
    );
  };
  const poll = setInterval(() => {
    if (listening || subscribers.size === 0) return;
    connect();
    tellAll();
  }, pollMs);
  poll.unref();

  return {
    subscribe(runId, onNews) {
      connect();
      const readers = subscribers.get(runId) ?? new Set();
      subscribers.set(runId, readers.add(onNews));
      return () => {
        readers.delete(onNews);
        if (readers.size === 0 && subscribers.get(runId) === readers) subscribers.delete(runId);
      };
    },
    async close() {
      closed = true;
      clearInterval(poll);
      subscribers.clear();
      const listener = await connection?.catch(() => null);
      await listener?.close();
    },
  };
}
