// Brings a run's epochs to the database in order: the first at once, later ones together at most every 100 ms,
// one transaction at a time. The last of them may be taken along by the transaction that ends the run.
import { chainOf } from '../src/runs/chain.ts';
import type { ClaimedRun } from '../src/runs/lease-store.ts';
import type { CheckpointBytes, EpochGroup, FinishedEpoch } from '../src/runs/progress-store.ts';
import type { HeldStatus } from '../src/runs/status.ts';

export interface ProgressDeps {
  /** As it was claimed: what was stored before, the chain to go on from, and how far it may go. */
  readonly run: Pick<ClaimedRun, 'epoch' | 'epochsPlanned' | 'chainSha256' | 'trainedMs' | 'budget'>;
  /** One transaction; it retries by itself and rejects only when there is no hope. */
  commit(group: EpochGroup): Promise<HeldStatus | 'lost'>;
  /** What is wanted of the run, as each commit learns. */
  onWanted(wanted: HeldStatus | 'lost'): void;
  /** `epoch`: the last that is stored now; null if it was only a checkpoint. */
  onCommitted(at: { epoch: number | null; checkpoint: StoredCheckpoint | null }): void;
  onHopeless(error: unknown): void;
}

export interface StoredCheckpoint {
  readonly costMs: number;
  /** Of no more use. */
  readonly bytes: Uint8Array;
}

/** As a thread tells of it. */
type TrainedEpoch = Omit<FinishedEpoch, 'etaSeconds' | 'chainSha256'>;

export interface Progress {
  /** Epochs that were stored before and only had to be computed again are passed over. */
  add(epochs: readonly TrainedEpoch[], checkpoint: CheckpointBytes | null): void;
  /** A checkpoint that comes without an epoch, when the training stops. */
  addCheckpoint(checkpoint: CheckpointBytes): void;
  /** Resolves when all that was added is stored, or the run is lost or hopeless. */
  flush(): Promise<void>;
  /**
   * What is not yet stored, for the transaction that ends the run; the caller has to see to it from here on. Null:
   * the run is lost or hopeless.
   */
  take(): Promise<EpochGroup | null>;
  /** Drops what is not yet stored. */
  abandon(): void;
}

const groupMs = 100;
const groupEpochsMax = 1_000;

export function createProgress(deps: ProgressDeps): Progress {
  let epochs: FinishedEpoch[] = [];
  let checkpoint: CheckpointBytes | null = null;
  let committing: Promise<void> | null = null;
  let nextAt = 0;
  let timer: NodeJS.Timeout | undefined;
  let over = false;
  let meanMs: number | null = null;
  const { epochsPlanned, budget } = deps.run;
  let chain: Pick<ClaimedRun, 'epoch' | 'chainSha256'> = deps.run;
  let { trainedMs } = deps.run;

  /** As the last epochs went. */
  const secondsLeft = (epoch: number): number => {
    const epochs = Math.min(epochsPlanned, budget?.epochs ?? epochsPlanned) - epoch;
    const mostMs = budget?.seconds === undefined ? Number.POSITIVE_INFINITY : budget.seconds * 1_000;
    const leftMs = Math.max(0, Math.min(epochs * (meanMs ?? 0), mostMs - trainedMs));
    return Math.round(leftMs / 100) / 10;
  };

  const commitAll = async (): Promise<void> => {
    while (!over && (epochs.length > 0 || checkpoint !== null)) {
      const group = epochs.slice(0, groupEpochsMax);
      epochs = epochs.slice(groupEpochsMax);
      const withCheckpoint = epochs.length === 0 ? checkpoint : null;
      checkpoint = epochs.length === 0 ? null : checkpoint;
      const startedAt = performance.now();
      try {
        const wanted = await deps.commit({ epochs: group, checkpoint: withCheckpoint });
        over ||= wanted === 'lost';
        if (wanted !== 'lost') {
          const costMs = performance.now() - startedAt;
          const stored = withCheckpoint === null ? null : { costMs, bytes: withCheckpoint.bytes };
          deps.onCommitted({ epoch: group.at(-1)?.epoch ?? null, checkpoint: stored });
        }
        deps.onWanted(wanted);
      } catch (error) {
        over = true;
        deps.onHopeless(error);
      }
    }
  };
  const start = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    committing ??= commitAll().finally(() => {
      committing = null;
      nextAt = performance.now() + groupMs;
      schedule();
    });
    return committing;
  };
  const schedule = (): void => {
    const due = epochs.length > 0 || checkpoint !== null;
    if (!over && committing === null && (timer === undefined || nextAt === 0) && due) {
      clearTimeout(timer);
      timer = setTimeout(start, Math.max(0, nextAt - performance.now()));
    }
  };

  return {
    add: (finished, withCheckpoint) => {
      for (const epoch of finished) {
        meanMs = meanMs === null ? epoch.durationMs : meanMs * 0.8 + epoch.durationMs * 0.2;
        if (epoch.epoch > chain.epoch) {
          const chainSha256 = chainOf(chain.chainSha256, epoch.epoch, epoch.weightsSha256);
          chain = { epoch: epoch.epoch, chainSha256 };
          trainedMs += epoch.durationMs;
          epochs.push({ ...epoch, chainSha256, etaSeconds: secondsLeft(epoch.epoch) });
        }
      }
      checkpoint = withCheckpoint ?? checkpoint;
      // The thread may be waiting for it.
      if (withCheckpoint !== null) nextAt = 0;
      schedule();
    },
    addCheckpoint: (last) => {
      checkpoint = last;
    },
    flush: async () => {
      while (!over && (committing !== null || epochs.length > 0 || checkpoint !== null)) {
        await start();
      }
    },
    take: async () => {
      while (!over && (committing !== null || epochs.length > groupEpochsMax)) {
        await start();
      }
      clearTimeout(timer);
      timer = undefined;
      const rest = { epochs, checkpoint };
      epochs = [];
      checkpoint = null;
      return over ? null : rest;
    },
    abandon: () => {
      over = true;
      clearTimeout(timer);
    },
  };
}
