/**
 * Which epoch was best so far, and when to give up: the pure bookkeeping of early stopping.
 * The state is plain numbers so that a checkpoint carries it exactly.
 */
export interface Watch {
  /** A reported metric's name, e.g. `validationLoss`. */
  readonly monitor: string;
  readonly mode: 'min' | 'max';
  /** A value has to be better than the best by more than this to count. */
  readonly minDelta: number;
  /** Epochs without improvement after which training stops; null: never. */
  readonly patience: number | null;
}

export interface WatchState {
  readonly bestEpoch: number | null;
  readonly bestValue: number | null;
  readonly epochsSinceBest: number;
}

export const WATCH_START: WatchState = { bestEpoch: null, bestValue: null, epochsSinceBest: 0 };

/** The state after an epoch whose monitored metric had `value`. A value that is not finite is never better. */
export function observe(watch: Watch, state: WatchState, epoch: number, value: number): WatchState {
  const { bestValue } = state;
  const improved =
    Number.isFinite(value) &&
    (bestValue === null ||
      (watch.mode === 'min' ? value < bestValue - watch.minDelta : value > bestValue + watch.minDelta));
  return improved
    ? { bestEpoch: epoch, bestValue: value, epochsSinceBest: 0 }
    : { ...state, epochsSinceBest: state.epochsSinceBest + 1 };
}

export const shouldStopEarly = (watch: Watch, state: WatchState): boolean =>
  watch.patience !== null && state.epochsSinceBest >= watch.patience;
