// One training from its data to the model, inside a thread. It answers each finished epoch, heeds the
// shared stop flag between chunks of steps, and waits when it is too far ahead of what is stored.
import { createPlanCache } from '../src/engine/plan-cache.ts';
import { type EngineSpec, engineSpec } from '../src/engine/spec.ts';
import {
  createTraining,
  type PreparedTable,
  type RunResults,
  type Training,
  UntrainableError,
} from '../src/engine/train.ts';
import { failpoint } from '../src/failpoints.ts';
import { sha256Hex } from '../src/idempotency/sha256.ts';
import { type CheckpointClock, createCheckpointClock } from './checkpoint-clock.ts';
import { executorsOf } from './engine-backend.ts';
import { createEpochGroups, type EpochGroup, type EpochGroups } from './epoch-groups.ts';
import { collectGarbage } from './garbage.ts';
import {
  type ChunkMessage,
  control,
  epochsAheadMax,
  type StartMessage,
  type StoredBytes,
  type ThreadMessage,
} from './protocol.ts';
import { handedOver, type SpareBuffers } from './spare-buffers.ts';
import { stepControl } from './step-control.ts';
import { createTrainingCrew, type TrainingCrew } from './training-crew.ts';
import { InvalidDataError, readData } from './training-data.ts';
import { createTrainingTime, type TrainingTime } from './training-time.ts';

type Post = (message: ThreadMessage, transfer?: ArrayBuffer[]) => void;

const roomPollMs = 100;

/** Of this thread: many runs differ in little. */
const plans = createPlanCache(16);

/** Ends with exactly one of the messages `stopped`, `finished` and `failed`; an error of ours is thrown. */
export async function train(
  start: StartMessage,
  shared: Int32Array,
  post: Post,
  nextChunk: () => Promise<ChunkMessage>,
  spares: SpareBuffers,
): Promise<void> {
  const spec = engineSpec.parse(start.spec);
  try {
    const shouldStop = () => Atomics.load(shared, control.stop) !== 0;
    const table = await readData(start.data, spec, start.backend, { nextChunk, shouldStop, post });
    // What it was made from is gone.
    if (table !== null && start.data.from !== 'encoded') collectGarbage(table.prepared.features.byteLength);
    if (table === null) {
      post({ type: 'stopped', checkpoint: null });
    } else {
      trainOn(table, spec, start, shared, post, spares);
    }
  } catch (error) {
    if (error instanceof InvalidDataError) {
      post(invalidData(error.message));
    } else if (error instanceof UntrainableError) {
      post(invalidData(`The spec no longer fits the dataset: ${error.message}`));
    } else {
      throw error;
    }
  }
}

function trainOn(
  table: PreparedTable,
  spec: EngineSpec,
  start: StartMessage,
  shared: Int32Array,
  post: Post,
  spares: SpareBuffers,
): void {
  const crew = createTrainingCrew(spec.training.threads, start.backend, start.threadsMax);
  crew.allow(Atomics.load(shared, control.threads));
  const training = openTraining(start, spec, table, crew, post);
  // Of the plan and its code only little is needed any more.
  collectGarbage(table.prepared.features.byteLength);
  try {
    post({ type: 'prepared', epoch: training.epoch });
    const groups = createEpochGroups((group) => {
      post({ type: 'epochs', ...group }, buffersOf(group));
      if (group.checkpoint !== null) failpoint('checkpoint.sent');
    }, now);
    const time = timeOf(training, spec, start);
    const stateNow = () => checkpointOf(training, time, spares);
    const clock = createCheckpointClock(spec.training.checkpoints.everySeconds * 1_000, shared, now);
    const ended = runEpochs(training, spec, shared, crew, groups, time, clock, stateNow);
    if (ended) {
      finish(training, groups, post);
    } else {
      groups.flush();
      const begun = training.epoch > 0 || training.stepsWithin > 0;
      // A state that is to be kept and is still on its way is enough to go on from.
      const checkpoint = begun && clock.isFree() ? stateNow() : null;
      post({ type: 'stopped', checkpoint }, checkpoint === null ? [] : handedOver(checkpoint.bytes));
    }
  } finally {
    training.dispose();
    spares.clear();
  }
}

/** From the checkpoint if it can be used; otherwise from the start, which gives the same numbers, only later. */
function openTraining(
  { backend, checkpoint }: StartMessage,
  spec: EngineSpec,
  table: PreparedTable,
  { crewFor, weights }: TrainingCrew,
  post: Post,
): Training {
  const at = { spec, table, backend: executorsOf(backend), crewFor, plans, follower: weights };
  if (checkpoint === null) {
    return createTraining(at);
  }
  try {
    return createTraining({ ...at, checkpoint: checkpoint.bytes });
  } catch (error) {
    if (error instanceof UntrainableError) {
      throw error;
    }
    const why = error instanceof Error ? error.message : String(error);
    const message = `The checkpoint of epoch ${checkpoint.epoch} cannot be used (${why}); the training starts over.`;
    post({ type: 'log', message });
    return createTraining(at);
  }
}

function timeOf(
  { stepsWithin }: Training,
  { training: { budget } }: EngineSpec,
  { storedEpoch, trainedMs, checkpoint }: StartMessage,
): TrainingTime {
  const limitMs = budget?.seconds === undefined ? null : budget.seconds * 1_000;
  // A checkpoint that could not be used left no steps.
  const withinMs = stepsWithin > 0 ? (checkpoint?.withinMs ?? 0) : 0;
  return createTrainingTime({ limitMs, spentMs: trainedMs, storedEpoch, withinMs }, now);
}

/** False when it was stopped. */
function runEpochs(
  training: Training,
  spec: EngineSpec,
  shared: Int32Array,
  crew: TrainingCrew,
  groups: EpochGroups,
  time: TrainingTime,
  clock: CheckpointClock,
  stateNow: () => StoredBytes,
): boolean {
  const { keepEvery } = spec.training.checkpoints;
  const { shouldStop, onSteps } = stepControl(shared, crew);
  const isOver = () => time.isOver(training.epoch);
  const waitInTurn = (): void => {
    while (!clock.isFree() && !shouldStop()) clock.waitUntilFree(roomPollMs);
  };
  /** Null where it was stopped while it waited. */
  const takeKept = (): StoredBytes | null => {
    waitInTurn();
    return clock.isFree() ? clock.take(stateNow, true) : null;
  };
  const takeLast = (): StoredBytes => {
    waitInTurn();
    return clock.take(stateNow);
  };
  const pauses = { shouldStop: () => shouldStop() || isOver() || clock.dueWithin(), onSteps };
  while (training.stopReason === null) {
    waitForRoom(training.epoch, shared, groups, shouldStop);
    if (shouldStop()) {
      return false;
    }
    if (isOver()) {
      training.endByBudget();
      groups.addLast(takeLast());
      return true;
    }
    const report = time.spend(() => training.runEpoch(pauses));
    if (report !== null) {
      const { epoch, metrics, diverged } = report;
      const durationMs = time.finish(epoch);
      const { bestEpoch } = training;
      const due = clock.dueAfter(durationMs);
      // Another thread may still be at the hash.
      let checkpoint: StoredBytes | null = null;
      const kept = keepEvery !== undefined && epoch % keepEvery === 0;
      if (training.stopReason !== null) checkpoint = takeLast();
      else if (kept) checkpoint = takeKept();
      else if (due) checkpoint = clock.take(stateNow);
      const weightsSha256 = crew.weights.of(training.parameterValues());
      groups.add({ epoch, metrics, diverged, durationMs, weightsSha256, bestEpoch }, checkpoint);
      if (kept && training.stopReason === null) groups.flush();
    } else if (!shouldStop() && !isOver()) {
      groups.addWithin(clock.take(stateNow));
    }
  }
  return true;
}

const now = () => performance.now();

function finish(training: Training, groups: EpochGroups, post: Post): void {
  const { stopReason, bestEpoch } = training;
  if (stopReason === null) {
    throw new Error('the training has not ended');
  }
  post({ type: 'finishing' });
  const bytes = training.model();
  const epoch = bestEpoch ?? training.epoch;
  // A budget may end the first epoch before it is finished.
  const stepsWithin = epoch === 0 ? training.stepsWithin : 0;
  const model = { epoch, stepsWithin, withinMs: 0, sha256: sha256Hex(bytes), bytes };
  const results = flatResults(training.results());
  const last = groups.take();
  post(
    {
      type: 'finished',
      ...last,
      stopReason,
      results,
      weightsSha256: sha256Hex(...training.parameterValues()),
      bestEpoch,
      model,
    },
    [...handedOver(bytes), ...buffersOf(last)],
  );
}

function buffersOf({ checkpoint }: EpochGroup): ArrayBuffer[] {
  return checkpoint === null ? [] : handedOver(checkpoint.bytes);
}

/** As a run shows them: the numbers by name, and the confusion matrix of a classifier among them. */
function flatResults({ metrics, confusion }: RunResults): object {
  return { ...metrics, ...(confusion !== null && { confusionMatrix: confusion }) };
}

/** Blocks the thread, not the process: its only other work is this training. */
function waitForRoom(
  epoch: number,
  shared: Int32Array,
  groups: EpochGroups,
  shouldStop: () => boolean,
): void {
  for (;;) {
    const committed = Atomics.load(shared, control.committed);
    if (epoch - committed < epochsAheadMax || shouldStop()) {
      return;
    }
    groups.flush();
    Atomics.wait(shared, control.committed, committed, roomPollMs);
  }
}

function checkpointOf(training: Training, time: TrainingTime, spares: SpareBuffers): StoredBytes {
  const bytes = training.checkpoint(spares.take);
  failpoint('checkpoint.encoded');
  const { epoch, stepsWithin } = training;
  return { epoch, stepsWithin, withinMs: time.withinMs(), bytes };
}

function invalidData(detail: string): ThreadMessage {
  return { type: 'failed', code: 'invalidData', detail, error: null };
}
