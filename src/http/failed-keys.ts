// Counts requests with bad keys per address, so that a guesser is told to go away. Good keys are never held
// up by it: they are checked first. Memory is bounded; the address that was quiet for longest is forgotten.

export interface FailedKeys {
  /** Counts one failure. Returns the seconds to wait when there were too many, or null. */
  count(address: string): number | null;
}

interface Options {
  readonly failuresMax?: number;
  readonly windowMs?: number;
  readonly addressesMax?: number;
  readonly now?: () => number;
}

export function createFailedKeys({
  failuresMax = 60,
  windowMs = 60_000,
  addressesMax = 10_000,
  now = () => performance.now(),
}: Options = {}): FailedKeys {
  const windows = new Map<string, { startedAt: number; failures: number }>();
  return {
    count(address) {
      const time = now();
      const known = windows.get(address);
      const window = known && time - known.startedAt < windowMs ? known : { startedAt: time, failures: 0 };
      window.failures++;
      windows.delete(address);
      windows.set(address, window);
      if (windows.size > addressesMax) {
        const [oldest] = windows.keys();
        if (oldest !== undefined) windows.delete(oldest);
      }
      if (window.failures <= failuresMax) return null;
      return Math.max(1, Math.ceil((window.startedAt + windowMs - time) / 1000));
    },
  };
}
