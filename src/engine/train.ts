/**
 * A training from its data to its model: epochs, early stopping, and a state that can be left and taken up again
 * between any two steps.
 */

import { decodeCheckpoint, encodeCheckpoint, type StopReason } from './checkpoint.ts';
import type { Crew } from './crew.ts';
import { createEpochTrainer, type EpochControl, type EpochSetting, freshState, stateAfter } from './epoch.ts';
import { listWords, type SpecIssue } from './issues.ts';
import type { CreateExecutor, Plan } from './kernels.ts';
import { encodeModel } from './model-file.ts';
import { watchOf } from './monitor.ts';
import {
  allFinite,
  createBufferReader,
  createValuesReader,
  readValues,
  type ValuesFollower,
  withoutMemory,
  writeState,
  writeValues,
} from './parameters.ts';
import { createPlan } from './plan.ts';
import type { PlanCache } from './plan-cache.ts';
import { type PreparedData, prepareData } from './prepare.ts';
import { resolveTask } from './resolve.ts';
import { computeResults, type RunResults } from './results.ts';
import type { EngineSpec } from './spec.ts';
import { stepCount, stepsMaxOf } from './steps.ts';
import { type ColumnSummary, summarize, type Table } from './table.ts';

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
  /** Finished steps of the epoch that is under way; 0 between epochs. */
  readonly stepsWithin: number;
  readonly bestEpoch: number | null;
  /** Set when there is nothing left to do. */
  readonly stopReason: StopReason | null;
  /**
   * Trains to the end of the epoch. `shouldStop` is asked between chunks of steps (5–20 ms each); true leaves it where
   * it stands: null, and the next call goes on from there. `onSteps(n)` follows each chunk of training steps.
   * Throws when there is nothing left to do.
   */
  runEpoch(control: EpochControl): EpochReport | null;
  /**
   * The time that it may take is over: it ends where it stands, or as diverged if there is no finite model. What the
   * unfinished epoch did stays in the state, and out of the model where there is an epoch before it.
   */
  endByBudget(): void;
  /**
   * The whole state as it stands, within an epoch or not, as safetensors: resuming equals never having stopped.
   * `allocate` gives the memory for so many bytes, at a multiple of eight; new memory, unless told.
   */
  checkpoint(allocate?: (byteLength: number) => Uint8Array): Uint8Array;
  /**
   * Logical parameters as raw little-endian f32 in plan order: those after the last finished epoch, or the restored
   * best once all is finished; as they stand where a budget ended the first epoch.
   */
  parameterBytes(): Uint8Array;
  /** The same, an array for each parameter, valid until the next epoch. */
  parameterValues(): readonly Float32Array[];
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

export interface TrainingSetup {
  readonly spec: EngineSpec;
  readonly table: Table | PreparedTable;
  readonly backend: CreateExecutor;
  /** Who helps the executor of the plan; nobody, unless told. */
  readonly crewFor?: (plan: Plan) => Crew | undefined;
  /** Where plans are looked for and kept; without it each training makes its own. */
  readonly plans?: PlanCache;
  readonly checkpoint?: Uint8Array;
  /** Sees the parameters after each epoch before `runEpoch` returns. */
  readonly follower?: ValuesFollower;
}

/** What was prepared from a table for this very spec, with what is said of the table's columns. */
export interface PreparedTable {
  readonly columns: readonly ColumnSummary[];
  readonly prepared: PreparedData;
}

/**
 * Prepares the data, builds the network and takes up the checkpoint's state if one is given.
 * Throws UntrainableError where the table does not fit the spec, and an Error on a checkpoint of another spec.
 */
export function createTraining(at: TrainingSetup): Training {
  const setting = settingOf(at);
  const { spec, data, plan, executor, stepsPerEpoch } = setting;
  const taken = at.checkpoint === undefined ? null : decodeCheckpoint(plan, spec, at.checkpoint);
  let state = taken?.state ?? freshState(setting);
  writeState(executor, plan, taken?.current ?? withoutMemory(plan, state.values));
  const read = createBufferReader(executor, plan);
  const trainEpoch = createEpochTrainer(setting);
  const readAfterEpoch = createValuesReader(plan, read, at.follower);
  const finalValues = (): readonly Float32Array[] => {
    const { stopReason, epoch, within, best, values } = state;
    if (stopReason === 'budget' && epoch === 0 && within !== null) return readValues(executor, plan);
    return (stopReason === null || stopReason === 'diverged' ? null : best) ?? values;
  };
  const throwIfEnded = (): void => {
    if (state.stopReason !== null) throw new Error(`the training has ended: ${state.stopReason}`);
  };
  /** Back to the last finite values. */
  const diverge = (): void => writeState(executor, plan, withoutMemory(plan, state.values));

  return {
    plan,
    epochsPlanned: spec.training.epochs,
    stepsPerEpoch,
    get epoch() {
      return state.epoch;
    },
    get stepsWithin() {
      return state.within?.steps ?? 0;
    },
    get bestEpoch() {
      return state.watch.bestEpoch;
    },
    get stopReason() {
      return state.stopReason;
    },
    runEpoch(control) {
      throwIfEnded();
      const outcome = trainEpoch(state, control);
      if ('within' in outcome) {
        state = { ...state, within: outcome.within };
        return null;
      }
      const { metrics } = outcome;
      state = stateAfter(setting, state, readAfterEpoch(), metrics);
      const diverged = state.stopReason === 'diverged';
      if (diverged) diverge();
      return { epoch: state.epoch, metrics, diverged, steps: stepsPerEpoch };
    },
    endByBudget() {
      throwIfEnded();
      if (state.epoch > 0 || allFinite(readValues(executor, plan))) {
        state = { ...state, stopReason: 'budget' };
        return;
      }
      state = { ...state, within: null, stopReason: 'diverged' };
      diverge();
    },
    checkpoint: (allocate) => encodeCheckpoint(plan, spec, state, read, allocate),
    parameterBytes: () => concatenated(finalValues()),
    parameterValues: finalValues,
    model: () => {
      const { preprocessing } = data;
      return encodeModel({ spec, preprocessing, parameters: plan.parameters, values: finalValues() });
    },
    results() {
      const current = readValues(executor, plan);
      writeValues(executor, plan, finalValues());
      const results = computeResults(executor, plan, data);
      writeValues(executor, plan, current);
      return results;
    },
    dispose: () => executor.dispose(),
  };
}

function settingOf(at: TrainingSetup): EpochSetting {
  const { table } = at;
  const resolved = resolveTask(at.spec, 'prepared' in table ? table.columns : summarize(table));
  if ('issues' in resolved) throw new UntrainableError(resolved.issues);
  const { spec } = resolved;
  const data = 'prepared' in table ? table.prepared : prepareData(resolved, table);
  const { training, validation } = data.parts;
  const { batchSize, lastBatch } = spec.training;
  const stepsPerEpoch = stepCount(training.length, batchSize, lastBatch === 'drop');
  if (stepsPerEpoch === 0) {
    const detail = `${training.length} training rows give no batch of ${batchSize}`;
    throw new UntrainableError([{ pointer: '#/training/batchSize', detail }]);
  }
  const coded = data.features instanceof Uint8Array;
  const shape = { features: data.featureCount, targets: data.targetCount, coded };
  const plan = at.plans === undefined ? createPlan(spec, shape) : at.plans.of(spec, shape);
  const executor = at.backend(plan, data, stepsMaxOf(plan, data.rows), at.crewFor?.(plan));
  return { spec, data, plan, executor, watch: watchOf(spec, validation.length > 0), stepsPerEpoch };
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
