// Work on the database that must get through. While Postgres is away it is tried again, for as long as it makes
// sense: the fence in each write keeps a late one from doing harm.
import { setTimeout as wait } from 'node:timers/promises';
import type { Log } from '../src/log.ts';

const retryMinMs = 100;
const retryMaxMs = 2_000;
/** Longer than any lease that is worth defending. */
const giveUpMs = 180_000;

export interface Persistence {
  readonly log: Log;
  /** Aborted when there is no time left: the next failure is the last. */
  readonly signal: AbortSignal;
}

/** Rejects with the last error after `giveUpMs`, and at once with an error that is `final`. */
export async function persist<T>(
  what: string,
  work: () => Promise<T>,
  { log, signal }: Persistence,
  final: (error: unknown) => boolean = () => false,
): Promise<T> {
  const giveUpAt = performance.now() + giveUpMs;
  for (let retryMs = retryMinMs; ; retryMs = Math.min(retryMs * 2, retryMaxMs)) {
    try {
      return await work();
    } catch (error) {
      if (final(error) || signal.aborted || performance.now() > giveUpAt) {
        throw error;
      }
      log.warn({ err: error, what, retryMs }, 'the database did not do its part and is asked again');
      await wait(retryMs, undefined, { signal }).catch(() => undefined);
    }
  }
}
