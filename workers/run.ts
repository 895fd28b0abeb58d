// One claimed run: hands the data to a thread, brings its epochs to the database, keeps the lease, obeys what is
// wanted, and sees it to an end. Whatever the thread does, this run alone bears it.
import { z } from 'zod';
import type { Database } from '../src/db/client.ts';
import type { Log } from '../src/log.ts';
import { type ClaimedRun, type Hold, renewLease } from '../src/runs/lease-store.ts';
import { appendLog, commitEpochs, readLatestCheckpoint } from '../src/runs/progress-store.ts';
import type { HeldStatus } from '../src/runs/status.ts';
import type { DatasetCache } from './dataset-cache.ts';
import { DamagedDatasetError } from './dataset-store.ts';
import type { WorkerBackend } from './engine-backend.ts';
import { startHeartbeat } from './heartbeat.ts';
import { persist } from './persist.ts';
import { createProgress } from './progress.ts';
import { control, type StartMessage, type ThreadMessage } from './protocol.ts';
import { type End, settle } from './settle.ts';
import type { ThreadPool, TrainingThread } from './slots.ts';

export interface RunDeps {
  readonly db: Database;
  readonly datasets: DatasetCache;
  readonly threads: ThreadPool;
  readonly backend: WorkerBackend;
  /** Cores of this worker. */
  readonly threadsMax: number;
  readonly leaseSeconds: number;
  /** A training that takes no step for so long is taken for dead. */
  readonly stallSeconds: number;
  readonly log: Log;
}

export interface RunTask {
  /** Something about the run changed: look at what is wanted now. */
  check(): void;
  /** Stop, keep everything, let the next worker go on. */
  drain(): void;
  /** The thread is free again; the end may yet have to be stored. Never rejects. */
  readonly trained: Promise<void>;
  /** Never rejects. `waits`: the run waits for a worker again. */
  readonly ended: Promise<{ readonly waits: boolean; readonly hold: Hold }>;
}

/** How long a thread may take to stop: it looks every 5–20 ms, unless it is reading data. */
const cancelGraceMs = 1_200;
/** A drain waits for the last checkpoint of a large model … */
const drainGraceMs = 12_000;
/** … and for the database to take it, no longer. */
const drainLimitMs = 20_000;

const datasetColumns = z.array(z.looseObject({ name: z.string(), type: z.enum(['numeric', 'categorical']) }));

export function startRun(deps: RunDeps, claimed: ClaimedRun): RunTask {
  const { db, leaseSeconds } = deps;
  const { hold } = claimed;
  const log = deps.log.child({ run: hold.runId, fence: hold.fence });
  const outOfTime = new AbortController();
  const patience = { log, signal: outOfTime.signal };

  let thread: TrainingThread | null = null;
  let draining = false;
  let wanted: HeldStatus | 'lost' = 'running';
  /** Steps are expected: data is read, final numbers are not yet due. */
  let stepping = false;
  let trainedEpoch = claimed.epoch;
  let storedEpoch = claimed.epoch;
  let grace: NodeJS.Timeout | undefined;
  let end: (end: End) => void = () => undefined;
  const ending = new Promise<End>((resolve) => {
    end = resolve;
  });

  const stopThread = (graceMs: number): void => {
    thread?.stop();
    grace ??= setTimeout(() => end({ type: 'stuck', asked: true }), graceMs);
  };
  const onWanted = (next: HeldStatus | 'lost'): void => {
    wanted = next;
    if (wanted === 'lost') {
      log.warn('the run is held by somebody else or nobody; dropped it');
      end({ type: 'lost' });
    } else if (wanted !== 'running') {
      stopThread(cancelGraceMs);
    }
  };

  const progress = createProgress({
    epochsPlanned: claimed.epochsPlanned,
    commit: (group) => persist('epochs', () => commitEpochs(db, hold, group), patience),
    onWanted,
    onCommitted: ({ epoch, checkpointCostMs }) => {
      storedEpoch = Math.max(storedEpoch, epoch);
      if (thread !== null) {
        Atomics.store(thread.shared, control.committed, storedEpoch);
        Atomics.notify(thread.shared, control.committed);
        if (checkpointCostMs !== null) {
          Atomics.store(thread.shared, control.checkpointCostMs, Math.ceil(checkpointCostMs));
        }
      }
    },
    onHopeless: (error) => {
      log.error({ err: error }, 'gave the run up: its epochs cannot be stored');
      end({ type: 'lost' });
    },
  });

  const heartbeat = startHeartbeat({
    leaseSeconds,
    stallSeconds: deps.stallSeconds,
    renew: () => renewLease(db, hold, leaseSeconds),
    // A thread whose epochs are not all stored may be waiting for just that.
    progress: () =>
      thread !== null && stepping && trainedEpoch <= storedEpoch
        ? Atomics.load(thread.shared, control.steps)
        : null,
    onWanted,
    onStalled: () => {
      log.error('the training takes no steps any more');
      end({ type: 'stuck', asked: false });
    },
    onError: (error) => log.warn({ err: error }, 'the lease could not be renewed'),
  });

  const addEpochs = ({
    epochs,
    checkpoint,
  }: Extract<ThreadMessage, { type: 'epochs' | 'finished' }>): void => {
    trainedEpoch = epochs.at(-1)?.epoch ?? trainedEpoch;
    progress.add(epochs, checkpoint);
  };

  const hear = (message: ThreadMessage): void => {
    switch (message.type) {
      case 'prepared':
        stepping = true;
        return;
      case 'log':
        log.warn(message.message);
        appendLog(db, hold, message.message).catch((error: unknown) =>
          log.warn({ err: error }, 'a log event could not be stored'),
        );
        return;
      case 'epochs':
        addEpochs(message);
        return;
      case 'finishing':
        stepping = false;
        return;
      case 'finished':
        addEpochs(message);
        end(message);
        return;
      case 'stopped':
      case 'failed':
        end(message);
        return;
      default:
        message satisfies never;
    }
  };

  /** Up to the end of the training, however it comes. */
  const train = async (): Promise<End> => {
    const start = await readStart(deps, claimed, patience);
    if (wanted === 'lost') {
      return { type: 'lost' };
    }
    if (draining || wanted !== 'running') {
      return { type: 'stopped', checkpoint: null };
    }
    thread = deps.threads.acquire();
    thread.start(start, hear, (death) => end({ type: 'died', ...death }));
    return ending;
  };

  let freed: () => void = () => undefined;
  const trained = new Promise<void>((resolve) => {
    freed = resolve;
  });
  const run = async (): Promise<boolean> => {
    try {
      const last = await train().catch(failedStart);
      const answered = last.type === 'stopped' || last.type === 'finished' || last.type === 'failed';
      if (thread !== null && answered) {
        deps.threads.release(thread);
      } else {
        await thread?.terminate();
      }
      thread = null;
      freed();
      return await settle({ db, hold, progress, ...patience }, last);
    } catch (error) {
      log.error({ err: error }, 'left the run to the reconciler');
      return false;
    } finally {
      freed();
      heartbeat.stop();
      progress.abandon();
      clearTimeout(grace);
    }
  };

  return {
    check: heartbeat.check,
    drain: () => {
      draining = true;
      stopThread(drainGraceMs);
      setTimeout(() => outOfTime.abort(), drainLimitMs).unref();
    },
    trained,
    ended: run().then((waits) => ({ waits, hold })),
  };
}

/** Everything the thread needs, from the database. Rejects with a DamagedDatasetError. */
async function readStart(
  { db, datasets, backend, threadsMax }: RunDeps,
  { hold, dataset, datasetId, spec, epoch }: ClaimedRun,
  patience: Parameters<typeof persist>[2],
): Promise<StartMessage> {
  const [csv, checkpoint] = await Promise.all([
    persist('dataset', () => datasets.get({ datasetId, ...dataset }), patience, isDamaged),
    epoch === 0 ? null : persist('checkpoint', () => readLatestCheckpoint(db, hold.runId), patience),
  ]);
  const columns = datasetColumns.parse(dataset.columns);
  const named = (type: 'numeric' | 'categorical') =>
    columns.filter((column) => column.type === type).map(({ name }) => name);
  return {
    type: 'start',
    spec,
    backend,
    threadsMax,
    csv,
    columns: { categorical: named('categorical'), numeric: named('numeric') },
    checkpoint,
    storedEpoch: epoch,
  };
}

function isDamaged(error: unknown): error is DamagedDatasetError {
  return error instanceof DamagedDatasetError;
}

function failedStart(error: unknown): End {
  return isDamaged(error)
    ? { type: 'failed', code: 'invalidData', detail: error.message, error: null }
    : {
        type: 'failed',
        code: 'internalError',
        detail: 'The training could not be started because of an error of the service.',
        error,
      };
}
