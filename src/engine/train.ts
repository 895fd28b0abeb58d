/**
 * The training loop: epochs of shuffled steps, evaluation, early stopping, and a state that can be left and taken up
 * again between any two epochs. The state outside the executor is the truth: an epoch that is abandoned leaves no trace.
 * Nothing here reads a clock or draws a random number that is not a function of (seed, purpose, epoch).
 */
import { decodeCheckpoint, encodeCheckpoint, type StopReason, type TrainingState } from './checkpoint.ts';
import { observe, shouldStopEarly, WATCH_START } from './early-stopping.ts';
import { evaluateRows, means } from './evaluate.ts';
import { listWords, type SpecIssue } from './issues.ts';
import type { CreateExecutor, Plan } from './kernels.ts';
import { optimizers } from './kinds/optimizers/registry.ts';
import { schedules } from './kinds/schedules/registry.ts';
import { encodeModel } from './model-file.ts';
import { partMetric, watchOf } from './monitor.ts';
import { allFinite, initialState, readState, writeState, writeValues } from './parameters.ts';
import { createPlan } from './plan.ts';
import { prepareData } from './prepare.ts';
import { permutation } from './random.ts';
import { resolveTask } from './resolve.ts';
import { computeResults, type RunResults } from './results.ts';
import type { EngineSpec } from './spec.ts';
import { runSteps, type ShouldStop, stepCount, stepsMaxOf } from './steps.ts';
import { summarize, type Table } from './table.ts';

export type { StopReason } from './checkpoint.ts';
export type { ConfusionMatrix, RunResults } from './results.ts';

export interface EpochReport {
  /** From 1. */
  readonly epoch: number;
  /** `loss`, the metrics, the same of the validation rows, and `learningRate`; values may be non-finite. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly diverged: boolean;
  /** Steps of this epoch. */
  readonly steps: number;
}

export interface Training {
  readonly plan: Plan;
  readonly epochsPlanned: number;
  readonly stepsPerEpoch: number;
  /** Finished epochs. */
  readonly epoch: number;
  readonly bestEpoch: number | null;
  /** Set when there is nothing left to do. */
  readonly stopReason: StopReason | null;
  /**
   * Trains one epoch. `shouldStop` is asked between chunks of steps (5–20 ms each); true abandons the epoch: null,
   * and the state is that of the last finished epoch. `onSteps(n)` follows each chunk of training steps.
   * Throws when there is nothing left to do.
   */
  runEpoch(control: { shouldStop: ShouldStop; onSteps(steps: number): void }): EpochReport | null;
  /** The whole state after the last finished epoch, as safetensors: resuming equals never having stopped. */
  checkpoint(): Uint8Array;
  /** Logical parameters as raw little-endian f32 in plan order: the current ones, or the restored best once finished. */
  parameterBytes(): Uint8Array;
  /** The model file of the same parameters. */
  model(): Uint8Array;
  /** Scores of the model that model() returns. */
  results(): RunResults;
  dispose(): void;
}

/** The dataset cannot serve the spec: something only the rows could tell. */
export class UntrainableError extends Error {
  readonly issues: readonly SpecIssue[];
  constructor(issues: readonly SpecIssue[]) {
    super(`the dataset cannot serve the spec: ${listWords(issues.map(({ detail }) => detail))}`);
    this.name = 'UntrainableError';
    this.issues = issues;
  }
}

/**
 * Prepares the data, builds the network and takes up the checkpoint's state if one is given.
 * Throws UntrainableError where the table does not fit the spec, and an Error on a checkpoint of another spec.
 */
export function createTraining(at: {
  readonly spec: EngineSpec;
  readonly table: Table;
  readonly backend: CreateExecutor;
  readonly checkpoint?: Uint8Array;
}): Training {
  const resolved = resolveTask(at.spec, summarize(at.table));
  if ('issues' in resolved) throw new UntrainableError(resolved.issues);
  const { spec } = resolved;
  const data = prepareData(resolved, at.table);
  const { training: trainingRows, validation: validationRows } = data.parts;
  const { epochs, batchSize, lastBatch, shuffle, earlyStopping } = spec.training;
  const dropLast = lastBatch === 'drop';
  const stepsPerEpoch = stepCount(trainingRows.length, batchSize, dropLast);
  if (stepsPerEpoch === 0) {
    const detail = `${trainingRows.length} training rows give no batch of ${batchSize}`;
    throw new UntrainableError([{ pointer: '#/training/batchSize', detail }]);
  }

  const plan = createPlan(spec, { features: data.featureCount, targets: data.targetCount });
  const watch = watchOf(spec, validationRows.length > 0);
  const keepBest = earlyStopping?.restoreBest === true;
  let state: TrainingState =
    at.checkpoint === undefined
      ? {
          epoch: 0,
          step: 0,
          stopReason: null,
          watch: WATCH_START,
          parameters: initialState(plan, spec.seed),
          best: null,
        }
      : decodeCheckpoint(plan, spec, at.checkpoint);
  const executor = at.backend(plan, data, stepsMaxOf(plan));
  writeState(executor, plan, state.parameters);

  const optimizer = optimizers.get(spec.optimizer.kind);
  const schedule = schedules.get(spec.schedule.kind);
  const learningRateAt = (step: number): number =>
    schedule.learningRate(
      spec.optimizer.learningRate,
      { step, epoch: Math.floor(step / stepsPerEpoch), steps: stepsPerEpoch * epochs, epochs },
      spec.schedule,
    );

  function trainEpoch(control: Parameters<Training['runEpoch']>[0]): Record<string, number> | null {
    const { epoch, step: done } = state;
    const order = shuffle
      ? permutation(spec.seed, epoch, trainingRows.length).map((i) => trainingRows[i] ?? 0)
      : trainingRows;
    const trained = runSteps({
      ...control,
      executor,
      plan,
      program: 'train',
      order,
      dropLast,
      inputs: (i, rows) => [
        1 / rows,
        ...optimizer.scalars(spec.optimizer, done + i + 1, learningRateAt(done + i)),
      ],
    });
    if (trained === null) return null;
    const validation = evaluateRows(executor, plan, validationRows, control.shouldStop);
    if (validation === null) return null;
    const reported = Object.entries(validation).map(([name, value]) => [
      partMetric('validation', name),
      value,
    ]);
    return {
      ...means(plan.programs.train.outputs, trained.sums, trained.rows),
      ...Object.fromEntries(reported),
      learningRate: learningRateAt(done),
    };
  }

  /** The state after an epoch with these metrics, or with the last finite parameters if it diverged. */
  function advance(metrics: Readonly<Record<string, number>>): TrainingState {
    const epoch = state.epoch + 1;
    const step = state.step + stepsPerEpoch;
    const parameters = readState(executor, plan);
    if (!Number.isFinite(metrics.loss) || !allFinite(parameters.values)) {
      return { ...state, epoch, step, stopReason: 'diverged' };
    }
    const seen = observe(watch, state.watch, epoch, metrics[watch.monitor] ?? Number.NaN);
    const best = keepBest && seen.bestEpoch === epoch ? parameters.values : state.best;
    let stopReason: StopReason | null = null;
    if (epoch >= epochs) stopReason = 'completed';
    else if (shouldStopEarly(watch, seen)) stopReason = 'earlyStopped';
    return { epoch, step, stopReason, watch: seen, parameters, best };
  }

  const finalValues = (): readonly Float32Array[] =>
    (state.stopReason === 'completed' || state.stopReason === 'earlyStopped' ? state.best : null) ??
    state.parameters.values;

  return {
    plan,
    epochsPlanned: epochs,
    stepsPerEpoch,
    get epoch() {
      return state.epoch;
    },
    get bestEpoch() {
      return state.watch.bestEpoch;
    },
    get stopReason() {
      return state.stopReason;
    },
    runEpoch(control) {
      if (state.stopReason !== null) throw new Error(`the training has ended: ${state.stopReason}`);
      const metrics = trainEpoch(control);
      if (metrics !== null) state = advance(metrics);
      const diverged = state.stopReason === 'diverged';
      if (metrics === null || diverged) writeState(executor, plan, state.parameters);
      return metrics === null ? null : { epoch: state.epoch, metrics, diverged, steps: stepsPerEpoch };
    },
    checkpoint: () => encodeCheckpoint(plan, spec, state),
    parameterBytes: () => concatenated(finalValues()),
    model: () =>
      encodeModel({
        spec,
        preprocessing: data.preprocessing,
        parameters: plan.parameters,
        values: finalValues(),
      }),
    results() {
      writeValues(executor, plan, finalValues());
      const results = computeResults(executor, plan, data);
      writeValues(executor, plan, state.parameters.values);
      return results;
    },
    dispose: () => executor.dispose(),
  };
}

function concatenated(arrays: readonly Float32Array[]): Uint8Array {
  const out = new Float32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    out.set(array, at);
    at += array.length;
  }
  return new Uint8Array(out.buffer);
}
