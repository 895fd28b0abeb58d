// One verification inside a thread: the stored hashes and states are held against each other, then the epochs are
// trained again and held against the hashes. It ends with one of the messages `verified`, `stopped` and `failed`.
import { type EngineSpec, engineSpec } from '../src/engine/spec.ts';
import {
  createTraining,
  type PreparedTable,
  type Training,
  type TrainingSetup,
  UntrainableError,
} from '../src/engine/train.ts';
import { isWhole, sha256Hex } from '../src/idempotency/sha256.ts';
import { chainOf, recipeOf } from '../src/runs/chain.ts';
import type { Finding } from '../src/runs/verification-store.ts';
import { executorsOf } from './engine-backend.ts';
import { type ChunkMessage, control, type ThreadMessage, type VerifyMessage } from './protocol.ts';
import { stepControl } from './step-control.ts';
import { createTrainingCrew, type TrainingCrew } from './training-crew.ts';
import { InvalidDataError, readData } from './training-data.ts';

type Post = (message: ThreadMessage) => void;

export async function verify(
  message: VerifyMessage,
  shared: Int32Array,
  post: Post,
  nextChunk: () => Promise<ChunkMessage>,
): Promise<void> {
  const early = checkChain(message) ?? checkStates(message);
  if (early !== null) {
    post({ type: 'verified', ...early });
    return;
  }
  const spec = engineSpec.parse(message.spec);
  const shouldStop = () => Atomics.load(shared, control.stop) !== 0;
  try {
    const table = await readData(message.data, spec, message.backend, { nextChunk, shouldStop, post });
    const finding = table === null ? null : replay(message, spec, table, shared, post);
    post(finding === null ? { type: 'stopped', checkpoint: null } : { type: 'verified', ...finding });
  } catch (error) {
    if (!(error instanceof InvalidDataError) && !(error instanceof UntrainableError)) throw error;
    const detail = `The run cannot be trained again: ${error.message}`;
    post({ type: 'failed', code: 'invalidData', detail, error: null });
  }
}

/** Recipe and chain, up to the last epoch that is asked about. */
function checkChain({ spec, contentSha256, recipeSha256, stored, toEpoch }: VerifyMessage): Finding | null {
  if (recipeOf(spec as { data: object }, contentSha256) !== recipeSha256) {
    return differs(0, 'The recorded hash of the recipe is not that of the stored spec and dataset.');
  }
  let chain = recipeSha256;
  for (let epoch = 1; epoch <= toEpoch; epoch++) {
    const weights = stored.weightsSha256[epoch - 1];
    if (weights === undefined || stored.epochs[epoch - 1] !== epoch) {
      return differs(epoch, `Epoch ${epoch} is not stored any more.`);
    }
    chain = chainOf(chain, epoch, weights);
    if (stored.chainSha256[epoch - 1] !== chain) {
      return differs(
        epoch,
        `The stored chain breaks at epoch ${epoch}: a hash was changed after it was stored.`,
      );
    }
  }
  const isWhole = toEpoch === stored.epochs.length;
  return isWhole && stored.head !== chain
    ? differs(toEpoch, 'The recorded head of the chain is not that of the last epoch.')
    : null;
}

function checkStates({ stored: { damaged } }: VerifyMessage): Finding | null {
  return damaged === null
    ? null
    : differs(damaged, `The stored checkpoint of epoch ${damaged} is not what was stored.`);
}

/** Null when it was stopped. */
function replay(
  message: VerifyMessage,
  spec: EngineSpec,
  table: PreparedTable,
  shared: Int32Array,
  post: Post,
): Finding | null {
  const { stored, toEpoch } = message;
  const crew = createTrainingCrew(spec.training.threads, message.backend, message.threadsMax);
  const steps = stepControl(shared, crew);
  crew.allow(Atomics.load(shared, control.threads));
  const training = openReplay(message, spec, table, crew);
  try {
    const replayedFrom = training.epoch;
    post({ type: 'prepared', epoch: replayedFrom });
    while (training.epoch < toEpoch && training.stopReason === null) {
      if (steps.shouldStop() || training.runEpoch(steps) === null) return null;
      const { epoch } = training;
      if (crew.weights.of(training.parameterValues()) !== stored.weightsSha256[epoch - 1]) {
        return differs(epoch, `Trained again, epoch ${epoch} gives other weights.`, replayedFrom);
      }
    }
    if (training.epoch < toEpoch) {
      const { epoch } = training;
      const detail = `Trained again, the run ends after epoch ${epoch}.`;
      return differs(epoch + 1, detail, replayedFrom);
    }
    post({ type: 'finishing' });
    const flaw = toEpoch === stored.epochs.length ? flawOfModel(training, message) : null;
    if (flaw !== null) return differs(toEpoch, flaw, replayedFrom);
    const epochs =
      toEpoch === replayedFrom + 1 ? `epoch ${toEpoch}` : `epochs ${replayedFrom + 1} to ${toEpoch}`;
    const detail = `Trained again, ${epochs} gave the same bits.`;
    return { verdict: 'equal', firstDifferentEpoch: null, detail, replayedFrom };
  } finally {
    training.dispose();
  }
}

/** From the stored state where it is what it should be, else from scratch. */
function openReplay(
  { backend, stored: { state, weightsSha256 } }: VerifyMessage,
  spec: EngineSpec,
  table: PreparedTable,
  { crewFor, weights }: TrainingCrew,
): Training {
  const at: TrainingSetup = { spec, table, backend: executorsOf(backend), crewFor, follower: weights };
  if (state === null) return createTraining(at);
  let resumed: Training | null = null;
  try {
    resumed = createTraining({ ...at, checkpoint: state.bytes });
  } catch (error) {
    if (error instanceof UntrainableError) throw error;
  }
  if (
    resumed?.epoch === state.epoch &&
    sha256Hex(resumed.parameterBytes()) === weightsSha256[state.epoch - 1]
  ) {
    return resumed;
  }
  resumed?.dispose();
  return createTraining(at);
}

/** What is wrong with the stored model of a run that was trained to its end; null where nothing is. */
function flawOfModel(
  training: Training,
  { stored: { model }, weightsSha256, stopReason }: VerifyMessage,
): string | null {
  if (model === null) {
    return weightsSha256 === null ? null : 'The model file is not stored any more.';
  }
  if (stopReason === 'budget' && training.stopReason === null) training.endByBudget();
  if (sha256Hex(training.model()) !== sha256Hex(model.bytes)) {
    return 'The stored model file is not the one that the training gives.';
  }
  if (!isWhole(model)) {
    return 'The recorded hash of the model file is not that of its bytes.';
  }
  return weightsSha256 === sha256Hex(training.parameterBytes())
    ? null
    : 'The recorded hash of the final weights is not that of the model.';
}

function differs(epoch: number, detail: string, replayedFrom: number | null = null): Finding {
  return { verdict: 'differs', firstDifferentEpoch: epoch, detail, replayedFrom };
}
