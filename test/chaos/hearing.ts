// How long it takes until a worker hears of runs by tickets again.
import { setTimeout as wait } from 'node:timers/promises';
import { seedOf } from './batches.ts';
import type { World } from './world.ts';

/** For processes that are to hear of runs by tickets alone. */
export const deaf = { RECONCILE_SECONDS: '3600' } as const;

export const submitEveryMs = 500;
const hearMsMax = 60_000;

/** Submits until one of the runs is claimed. */
export async function secondsToHear({ client, query }: World, repetition: number): Promise<number> {
  const upAt = performance.now();
  const fresh: string[] = [];
  while (performance.now() - upAt < hearMsMax) {
    fresh.push(await client.submit('brief', seedOf(repetition)));
    await wait(submitEveryMs);
    const claimed = await query('SELECT 1 FROM "Run" WHERE id = ANY($1) AND fence > 0', [fresh]);
    if (claimed.length > 0) return (performance.now() - upAt) / 1_000;
  }
  throw new Error('the worker does not hear of runs any more');
}
