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
  let lastProgress: number | null = null;
  let movedAt = performance.now();
  let stopped = false;
  let renewing = false;
  let again = false;

  const beat = async (): Promise<void> => {
    if (renewing) {
      again = true;
      return;
    }
    const progress = deps.progress();
    if (progress === null || progress !== lastProgress) {
      lastProgress = progress;
      movedAt = performance.now();
    } else if (performance.now() - movedAt > deps.stallSeconds * 1_000) {
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

  const timer = setInterval(() => void beat(), (deps.leaseSeconds * 1_000) / 3);
  return {
    check: () => void beat(),
    stop: () => {
      stopped = true;
      clearInterval(timer);
    },
  };
}
