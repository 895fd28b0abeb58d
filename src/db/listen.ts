// LISTEN on one channel over a connection of its own, for as long as the caller wants. Notifications sent
// while the connection was away are lost by nature: `onReconnect` tells the caller to look for itself.
import pg from 'pg';
import { connectionTo } from './connection.ts';

export interface Listener {
  close(): Promise<void>;
}

const pingMs = 15_000;
const retryMinMs = 100;
const retryMaxMs = 5_000;

/** Resolves once the first LISTEN stands; rejects if that fails. Later breaks are mended in the background. */
export async function listen(
  url: string,
  channel: string,
  onPayload: (payload: string) => void,
  onReconnect: () => void,
): Promise<Listener> {
  let closed = false;
  let client: pg.Client | null = null;
  let timer: NodeJS.Timeout | undefined;
  let retryMs = retryMinMs;

  const connect = async (): Promise<void> => {
    const next = new pg.Client({ ...connectionTo(url), query_timeout: 5_000 });
    let lost = false;
    const lose = () => {
      if (!lost) {
        lost = true;
        clearTimeout(timer);
        // Ended rather than awaited: the other side may never answer.
        void next.end().catch(() => undefined);
        if (client === next) {
          client = null;
          retry();
        }
      }
    };
    next.on('error', lose);
    next.on('end', lose);
    next.on('notification', (message) => onPayload(message.payload ?? ''));
    try {
      await next.connect();
      await next.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
    } catch (error) {
      lose();
      throw error;
    }
    if (closed || lost) {
      lose();
      throw new Error('the connection was closed while it was being made');
    }
    client = next;
    retryMs = retryMinMs;
    // A connection whose other end vanished without a word is noticed by a question that gets no answer.
    const ping = () => {
      next.query('SELECT 1').then(() => {
        if (!lost && !closed) {
          timer = setTimeout(ping, pingMs);
        }
      }, lose);
    };
    timer = setTimeout(ping, pingMs);
  };

  const retry = (): void => {
    if (closed) {
      return;
    }
    timer = setTimeout(() => {
      connect().then(onReconnect, retry);
    }, retryMs);
    retryMs = Math.min(retryMs * 2, retryMaxMs);
  };

  await connect();
  return {
    close: async () => {
      closed = true;
      clearTimeout(timer);
      const last = client;
      client = null;
      await last?.end().catch(() => undefined);
    },
  };
}
