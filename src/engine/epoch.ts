/**
 * One epoch: its shuffled steps, the evaluation at its end, and the state that follows from it.
 * Nothing here reads a clock or draws a random number that is not a function of (seed, purpose, epoch).
 */
import type { StopReason, TrainingState } from './checkpoint.ts';
import { observe, shouldStopEarly, WATCH_START, type Watch } from './early-stopping.ts';
import { createEvaluation, writeMeans } from './evaluate.ts';
import type { Executor, Plan } from './kernels.ts';
import { optimizers } from './kinds/optimizers/registry.ts';
import { schedules } from './kinds/schedules/registry.ts';
import { keyScalars } from './lane-random.ts';
import { partMetric } from './monitor.ts';
import { allFinite, initialState } from './parameters.ts';
import type { PreparedData } from './prepare.ts';
import { permutations } from './random.ts';
import type { ResolvedSpec } from './resolve.ts';
import { epochsMost } from './spec.ts';
import { createStepRunner, type ShouldStop, type StepProgram, type StepsDone } from './steps.ts';

/** What does not change from epoch to epoch. */
export interface EpochSetting {
  readonly spec: ResolvedSpec;
  readonly data: PreparedData;
  readonly plan: Plan;
  readonly executor: Executor;
  readonly watch: Watch;
  readonly stepsPerEpoch: number;
}

export interface EpochControl {
  readonly shouldStop: ShouldStop;
  readonly onSteps: (steps: number) => void;
}

/** Before the first epoch. */
export const freshState = ({ plan, spec }: EpochSetting): TrainingState => ({
  epoch: 0,
  step: 0,
  within: null,
  stopReason: null,
  watch: WATCH_START,
  values: initialState(plan, spec.seed).values,
  best: null,
});

/** A whole epoch's report, or how far it came when it was stopped. */
export type EpochOutcome =
  | { readonly metrics: Readonly<Record<string, number>> }
  | { readonly within: StepsDone };

/** Trains what the executor holds, from where the state says that it stands up to the end of the epoch. */
export type TrainEpoch = (state: TrainingState, control: EpochControl) => EpochOutcome;

/** A small network has ten thousand epochs a second: what can be is made once for all of them. */
export function createEpochTrainer(setting: EpochSetting): TrainEpoch {
  const { spec, data, plan, executor } = setting;
  const { parts } = data;
  const rateAt = learningRates(setting);
  const orderOf = rowOrders(spec, parts.training);
  const steps = createStepRunner({
    executor,
    plan,
    program: 'train',
    dropLast: spec.training.lastBatch === 'drop',
    writeInputs: inputWriter(setting, rateAt),
  });
  const { outputs } = plan.programs.train;
  const validate = createEvaluation(executor, plan, parts.validation, (name) =>
    partMetric('validation', name),
  );

  return ({ epoch, step, within }, { shouldStop, onSteps }) => {
    const trained = steps({ order: orderOf(epoch), step, shouldStop, onSteps, from: within });
    const { finished, rows, ...done } = trained;
    const metrics: Record<string, number> = {};
    writeMeans(metrics, outputs, done.sums, rows);
    if (!finished || !validate(metrics, shouldStop)) return { within: done };
    metrics.learningRate = rateAt(step);
    return { metrics };
  };
}

/** The state after an epoch that gave these values and reported `metrics`; diverged, it keeps the last finite ones. */
export function stateAfter(
  { spec, watch, stepsPerEpoch }: EpochSetting,
  state: TrainingState,
  values: readonly Float32Array[],
  metrics: Readonly<Record<string, number>>,
): TrainingState {
  const epoch = state.epoch + 1;
  const step = state.step + stepsPerEpoch;
  if (!Number.isFinite(metrics.loss) || !allFinite(values)) {
    return { ...state, epoch, step, within: null, stopReason: 'diverged' };
  }
  const seen = observe(watch, state.watch, epoch, metrics[watch.monitor] ?? Number.NaN);
  const keepBest = spec.training.earlyStopping?.restoreBest === true;
  const best = keepBest && seen.bestEpoch === epoch ? values.map((array) => array.slice()) : state.best;
  let stopReason: StopReason | null = null;
  if (epoch >= spec.training.epochs) stopReason = 'completed';
  else if (shouldStopEarly(watch, seen)) stopReason = 'earlyStopped';
  else if (epoch >= epochsMost(spec)) stopReason = 'budget';
  return { epoch, step, within: null, stopReason, watch: seen, values, best };
}

/** The training rows as an epoch visits them; written over by the next. */
function rowOrders({ seed, training }: ResolvedSpec, rows: Int32Array): (epoch: number) => Int32Array {
  if (!training.shuffle) return () => rows;
  const permutation = permutations(seed, rows.length);
  return (epoch) => {
    const order = permutation(epoch);
    for (let i = 0; i < order.length; i++) order[i] = rows[order[i] ?? 0] ?? 0;
    return order;
  };
}

/** Writes the inputs of `train` for a step, by its number in the whole training. */
function inputWriter(
  { spec, plan }: EpochSetting,
  rateAt: (step: number) => number,
): StepProgram['writeInputs'] {
  const optimizer = optimizers.get(spec.optimizer.kind);
  const counted = plan.programs.train.inputs.includes('rows');
  const keys = plan.streams.map((name) => keyScalars(spec.seed, name));
  // A small network makes a million steps a second: only what changes from step to step is done here.
  return (out, at, step, rows) => {
    let next = at;
    out[next++] = 1 / rows;
    const scalars = optimizer.scalars(spec.optimizer, step + 1, rateAt(step));
    for (let s = 0; s < scalars.length; s++) out[next++] = scalars[s] ?? Number.NaN;
    if (counted) out[next++] = rows;
    for (const key of keys) for (const part of key(step)) out[next++] = part;
  };
}

function learningRates({ spec, stepsPerEpoch }: EpochSetting): (step: number) => number {
  const { epochs } = spec.training;
  const schedule = schedules.get(spec.schedule.kind);
  return (step) => {
    const at = { step, epoch: Math.floor(step / stepsPerEpoch), steps: stepsPerEpoch * epochs, epochs };
    return schedule.learningRate(spec.optimizer.learningRate, at, spec.schedule);
  };
}
