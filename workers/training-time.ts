// What a training has spent of its time budget: only what the epochs took that the run keeps counts, wherever they
// were trained.
export interface TrainingTime {
  /** Does a piece of the epoch that is under way. */
  spend<T>(work: () => T): T;
  /** Of the epoch that is under way. */
  withinMs(): number;
  /** That epoch is finished; answers with what it took. */
  finish(epoch: number): number;
  /** `epoch`: the last that is finished. */
  isOver(epoch: number): boolean;
}

export interface TimeSetting {
  /** Null: as long as it takes. */
  readonly limitMs: number | null;
  /** On the stored epochs, up to `storedEpoch`: one that is trained again was paid for before. */
  readonly spentMs: number;
  readonly storedEpoch: number;
  /** On the epoch that is under way, before. */
  readonly withinMs: number;
}

export function createTrainingTime(setting: TimeSetting, now: () => number): TrainingTime {
  const { limitMs, storedEpoch } = setting;
  let { spentMs, withinMs } = setting;
  let startedAt: number | null = null;

  const within = (): number => withinMs + (startedAt === null ? 0 : now() - startedAt);
  return {
    spend: (work) => {
      startedAt = now();
      const result = work();
      withinMs = within();
      startedAt = null;
      return result;
    },
    withinMs: within,
    finish: (epoch) => {
      const durationMs = withinMs;
      withinMs = 0;
      spentMs += epoch > storedEpoch ? durationMs : 0;
      return durationMs;
    },
    isOver: (epoch) => limitMs !== null && epoch >= storedEpoch && spentMs + within() >= limitMs,
  };
}
