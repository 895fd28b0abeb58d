import { setTimeout as wait } from 'node:timers/promises';

/** Polls until `look` gives something other than null, undefined or false. */
export async function until<T>(
  look: () => T | Promise<T>,
  what: string,
  limitMs: number,
): Promise<Exclude<T, null | undefined | false>> {
  const end = performance.now() + limitMs;
  for (;;) {
    const seen = await look();
    if (seen !== null && seen !== undefined && seen !== false) {
      return seen as Exclude<T, null | undefined | false>;
    }
    if (performance.now() > end) {
      throw new Error(`gave up waiting for ${what} after ${Math.round(limitMs / 1_000)} s`);
    }
    await wait(25);
  }
}
