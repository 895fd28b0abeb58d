// One claimed run: hands the data to a thread, brings its epochs to the database, keeps the lease, obeys what is
// wanted, and sees it to an end. Whatever the thread does, this run alone bears it.
import type { SqlPool } from '../src/db/sql.ts';
import { failpoint } from '../src/failpoints.ts';
import type { Log } from '../src/log.ts';
import { type ClaimedRun, type Hold, renewLease } from '../src/runs/lease-store.ts';
import { appendLog, commitEpochs } from '../src/runs/progress-store.ts';
import type { HeldStatus } from '../src/runs/status.ts';
import type { WorkerBackend } from './engine-backend.ts';
import { startHeartbeat } from './heartbeat.ts';
import { outOfMemory } from './out-of-memory.ts';
import { persist } from './persist.ts';
import { createProgress } from './progress.ts';
import { control, type ThreadMessage } from './protocol.ts';
import { type DataCaches, openRunData, type RunData, sendNextChunk } from './run-data.ts';
import { type End, settle } from './settle.ts';
import type { ThreadPool, TrainingThread } from './slots.ts';
import { readUsableState } from './state-store.ts';

export interface RunDeps {
  readonly db: SqlPool;
  readonly caches: DataCaches;
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

/** How long a thread may take to stop that has no state to keep: it looks every 5–20 ms, unless it is reading data. */
const stopGraceMs = 1_200;
/** Nothing hurries a pause: it waits for the last checkpoint of the largest model. */
const pauseGraceMs = 30_000;
/** A drain waits for that of a large one … */
const drainGraceMs = 12_000;
/** … and for the database to take it, no longer. */
const drainLimitMs = 20_000;

export function startRun(deps: RunDeps, claimed: ClaimedRun): RunTask {
  const { db, leaseSeconds } = deps;
  const { hold } = claimed;
  const log = deps.log.child({ run: hold.runId, fence: hold.fence });
  const outOfTime = new AbortController();
  /** Nothing is to be started any more. */
  const leaving = new AbortController();
  const patience = { log, signal: outOfTime.signal };

  let data: RunData | null = null;
  let thread: TrainingThread | null = null;
  let wanted: HeldStatus | 'lost' = 'running';
  /** Steps are expected: data is read, final numbers are not yet due. */
  let stepping = false;
  /** There is, or will be, more than is stored. */
  let begun = false;
  let trainedEpoch = claimed.epoch;
  let storedEpoch = claimed.epoch;
  let checkpointsTaken = 0;
  let grace: NodeJS.Timeout | undefined;
  let graceEndsAt = Number.POSITIVE_INFINITY;
  let end: (end: End) => void = () => undefined;
  const ending = new Promise<End>((resolve) => {
    end = resolve;
  });

  /** Asked more than once, by a pause and a cancel, the shorter grace counts. */
  const stopThread = (graceMs: number): void => {
    thread?.stop();
    const endsAt = performance.now() + graceMs;
    if (endsAt < graceEndsAt) {
      clearTimeout(grace);
      graceEndsAt = endsAt;
      grace = setTimeout(() => end({ type: 'stuck', asked: true }), graceMs);
    }
  };
  const onWanted = (next: HeldStatus | 'lost'): void => {
    wanted = next;
    if (wanted !== 'running') {
      leaving.abort();
    }
    if (wanted === 'lost') {
      log.warn('the run is held by somebody else or nobody; dropped it');
      end({ type: 'lost' });
    } else if (wanted !== 'running') {
      stopThread(wanted === 'pausing' && begun ? pauseGraceMs : stopGraceMs);
    }
  };

  const progress = createProgress({
    run: claimed,
    commit: async (group) => {
      failpoint(group.checkpoint === null ? 'epochs.before' : 'checkpoint.before');
      const next = await persist('epochs', () => commitEpochs(db, hold, group), patience);
      failpoint(group.checkpoint === null ? 'epochs.committed' : 'checkpoint.committed');
      return next;
    },
    onWanted,
    onCommitted: ({ epoch, checkpoint }) => {
      storedEpoch = Math.max(storedEpoch, epoch ?? 0);
      if (thread !== null) {
        Atomics.store(thread.shared, control.committed, storedEpoch);
        Atomics.notify(thread.shared, control.committed);
        if (checkpoint !== null) {
          thread.giveBack(checkpoint.bytes);
          Atomics.store(thread.shared, control.checkpointCostMs, Math.ceil(checkpoint.costMs));
          Atomics.store(thread.shared, control.checkpointsDone, checkpointsTaken);
          Atomics.notify(thread.shared, control.checkpointsDone);
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
    // A thread whose epochs are not all stored may be waiting for just that; one that was told to stop has its grace.
    progress: () =>
      thread !== null && stepping && grace === undefined && trainedEpoch <= storedEpoch
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
    if (checkpoint !== null) {
      checkpointsTaken++;
    }
    progress.add(epochs, checkpoint);
  };

  const sendChunk = async (): Promise<void> => {
    try {
      await sendNextChunk(data, thread, patience);
    } catch (error) {
      log.error({ err: error }, 'the dataset cannot be read');
      end({ type: 'stuck', asked: false });
    }
  };

  const hear = (message: ThreadMessage): void => {
    switch (message.type) {
      case 'more':
        void sendChunk();
        return;
      case 'parsed':
      case 'encoded':
        data?.hear(message);
        return;
      case 'prepared':
        stepping = true;
        begun = true;
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
      case 'verified':
        log.error('a training said what only a verification says');
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
    const { epoch, spec, trainedMs } = claimed;
    data = await openRunData(db, deps.caches, claimed, leaving.signal).catch((error: unknown) => {
      if (leaving.signal.aborted) {
        return null;
      }
      throw error;
    });
    // Nobody had it before the first fence.
    const checkpoint =
      hold.fence === 1 ? null : await persist('checkpoint', () => readUsableState(db, hold, log), patience);
    if (checkpoint !== null) {
      log.info(`goes on from epoch ${checkpoint.epoch} and ${checkpoint.stepsWithin} steps`);
    }
    if (wanted === 'lost') {
      return { type: 'lost' };
    }
    // Once it was told to leave it does, even if the run is wanted again by now: it goes back to the queue.
    if (data === null || leaving.signal.aborted) {
      return { type: 'stopped', checkpoint: null };
    }
    thread = deps.threads.acquire();
    const { backend, threadsMax } = deps;
    const from = { checkpoint, storedEpoch: epoch, trainedMs };
    const start = { spec, backend, threadsMax, data: data.start(), ...from };
    thread.start({ type: 'start', ...start }, hear, (death) => end({ type: 'died', ...death }));
    return ending;
  };

  let freed: () => void = () => undefined;
  const trained = new Promise<void>((resolve) => {
    freed = resolve;
  });
  const run = async (): Promise<boolean> => {
    try {
      const last = await train().catch(failedStart);
      if (thread !== null && isReusable(last)) {
        deps.threads.release(thread);
      } else {
        await thread?.terminate();
      }
      thread = null;
      data?.release();
      freed();
      return await settle({ db, hold, progress, ...patience }, last);
    } catch (error) {
      log.error({ err: error }, 'left the run to the reconciler');
      return false;
    } finally {
      data?.release();
      freed();
      heartbeat.stop();
      progress.abandon();
      clearTimeout(grace);
    }
  };

  return {
    check: heartbeat.check,
    drain: () => {
      leaving.abort();
      stopThread(drainGraceMs);
      setTimeout(() => outOfTime.abort(), drainLimitMs).unref();
    },
    trained,
    ended: run().then((waits) => ({ waits, hold })),
  };
}

/** A thread that ran into a limit may hold what brought it there. */
function isReusable(end: End): boolean {
  return (
    end.type === 'stopped' ||
    end.type === 'finished' ||
    (end.type === 'failed' && end.code !== outOfMemory.code)
  );
}

function failedStart(error: unknown): End {
  return {
    type: 'failed',
    code: 'internalError',
    detail: 'The training could not be started because of an error of the service.',
    error,
  };
}
