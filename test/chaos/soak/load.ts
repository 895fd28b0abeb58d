// A client that keeps the service busy: short runs, and a longer one now and then, as fast as they end.
import { setTimeout as wait } from 'node:timers/promises';
import { seedOf } from '../batches.ts';
import type { World } from '../world.ts';

const everyMs = 1_000;
/** Submits wait while so many runs have not ended. */
const openMax = 8;
const longEvery = 6;

export interface Load {
  /** Resolves when the submit under way is answered. */
  stop(): Promise<void>;
}

export function startLoad({ client, query, violation }: World): Load {
  let stopped = false;
  const openCount = async () => {
    const [row] = await query<{ open: number }>(
      `SELECT count(*)::int AS open FROM "Run" WHERE status IN ('queued', 'running')`,
    );
    return row?.open ?? 0;
  };
  const work = async (): Promise<void> => {
    for (let i = 0; !stopped; i++) {
      await client.submit(i % longEvery === 0 ? 'steady' : 'brief', seedOf(i));
      do await wait(everyMs);
      while (!stopped && (await openCount()) >= openMax);
    }
  };
  const working = work().catch((error: unknown) => violation(`the client gave up: ${error}`));
  return {
    stop: async () => {
      stopped = true;
      await working;
    },
  };
}
