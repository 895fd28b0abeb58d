// Renews a run's lease while its training is alive: the step counter moved not long ago, or the thread is at
// something that takes no steps (reading data, final numbers, waiting for the database).
import type { HeldStatus } from '../src/runs/status.ts';

export interface HeartbeatDeps {
  readonly leaseSeconds: number;
  /** Longer than any honest chunk of steps, on any machine. */
  readonly stallSeconds: number;
  renew(): Promise<HeldStatus | 'lost'>;
  /** A number that moves with the training, or null while none is expected to. */
  progress(): number | null;
  onWanted(wanted: HeldStatus | 'lost'): void;
  /** No step for `stallSeconds`. */
  onStalled(): void;
  onError(error: unknown): void;
}

export interface Heartbeat {
  /** Looks now, without waiting for the next beat. */
  check(): void;
  stop(): void;
}

export function startHeartbeat(deps: HeartbeatDeps): Heartbeat {
  const intervalMs = (deps.leaseSeconds * 1_000) / 3;
  let lastProgress: number | null = null;
  let beatAt = performance.now();
  /** For so long no progress was seen. */
  let stillMs = 0;
  let stopped = false;
  let renewing = false;
  let again = false;

  const beat = async (): Promise<void> => {
    if (renewing) {
      again = true;
      return;
    }
    const progress = deps.progress();
    const now = performance.now();
    // A beat that is late by far was not waited for: the whole process was stopped, the training with it.
    stillMs += Math.min(now - beatAt, 2 * intervalMs);
    beatAt = now;
    if (progress === null || progress !== lastProgress) {
      lastProgress = progress;
      stillMs = 0;
    } else if (stillMs > deps.stallSeconds * 1_000) {
      deps.onStalled();
      return;
    }
    renewing = true;
    try {
      const wanted = await deps.renew();
      if (!stopped) {
        deps.onWanted(wanted);
      }
    } catch (error) {
      deps.onError(error);
    } finally {
      renewing = false;
    }
    if (again && !stopped) {
      again = false;
      await beat();
    }
  };

  const timer = setInterval(() => void beat(), intervalMs);
  return {
    check: () => void beat(),
    stop: () => {
      stopped = true;
      clearInterval(timer);
    },
  };
}
