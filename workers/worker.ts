// The worker: claims runs while it has a free slot, and trains them; a verification is done beside them. It owns the
// connections to Postgres and the queue, and never computes.
import { randomUUID } from 'node:crypto';
import { availableParallelism, hostname } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import type { Config } from '../src/config.ts';
import { type Listener, listen } from '../src/db/listen.ts';
import { createSqlPool } from '../src/db/sql.ts';
import { failpoint } from '../src/failpoints.ts';
import type { Log } from '../src/log.ts';
import { createTicketQueue } from '../src/queue/queue.ts';
import { runControlChannel } from '../src/runs/events-store.ts';
import { type Claimant, type ClaimedRun, claimNextRun, claimRun } from '../src/runs/lease-store.ts';
import { startReconciler } from '../src/runs/reconciler.ts';
import { issueTickets } from '../src/runs/tickets.ts';
import { chooseBackend, engineOf } from './engine-backend.ts';
import { createMemoryBudget } from './memory-budget.ts';
import { trainingMemory } from './process-memory.ts';
import { register } from './registration.ts';
import { type RunTask, startRun } from './run.ts';
import { createDataCaches } from './run-data.ts';
import { createThreadPool } from './slots.ts';
import { startVerification } from './verification.ts';
import { createVerifier } from './verifier.ts';

export interface TrainingWorker {
  /** Stops claiming, lets every run go with a fresh checkpoint, closes everything. Takes 25 s at most. */
  drain(): Promise<void>;
}

const retryMs = 1_000;
const stallSeconds = 20;
/** Runs in memory for each slot: one is trained while the last one's end is being stored. */
const tasksPerSlot = 3;
/** After a run as quick as this the next ticket is fetched ahead of its slot: it will not have to wait for long. */
const quickMs = 250;

export async function startWorker(config: Config, databaseUrl: string, log: Log): Promise<TrainingWorker> {
  const { redisUrl, leaseSeconds, workerSlots } = config;
  const backend = chooseBackend(config.engineBackend, log);
  const threadsMax = availableParallelism();
  const threads = createThreadPool(workerSlots, log, { cores: threadsMax });
  // One connection for each run's commits and lease, some for the claims; Postgres allows 100 in all.
  const db = createSqlPool(databaseUrl, { poolMax: Math.min(4 + workerSlots * 2, 20) });
  const queue = createTicketQueue({ redisUrl, databaseUrl, prefix: config.queuePrefix, log });
  const caches = createDataCaches();
  const memoryBytes = config.workerMemory ?? trainingMemory();
  const budget = createMemoryBudget(memoryBytes);
  const workerId = `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`;
  const claimant = { workerId, leaseSeconds, engine: engineOf(backend) };
  const taskDeps = { db, caches, threads, backend, threadsMax, leaseSeconds, stallSeconds, log };
  const verifier = createVerifier({
    ...{ db, claimant, budget, log },
    start: (claimed) => startVerification(taskDeps, claimed),
  });
  const stopping = new AbortController();
  const tasks = new Map<string, RunTask>();
  /** Slots whose run is claimed or trained. A run that only has to be stored takes none. */
  let busy = 0;
  let lastTrainingMs = Number.POSITIVE_INFINITY;
  let roomMade: () => void = () => undefined;
  /** Whether a run was rung for that did not fit: when another ends it is time to look again. */
  let passedOver = false;
  let pollSooner: () => void = () => undefined;
  /** Whether a ticket has come since the last look at the door. */
  let rung = false;
  const hasRoom = () => busy < workerSlots && tasks.size < workerSlots * tasksPerSlot;

  const freeSlot = (): void => {
    busy--;
    roomMade();
  };

  /** Takes a slot for what `claim` may bring. False: nothing was claimed. */
  const tryClaim = async (claim: (now: Claimant) => Promise<ClaimedRun | null>): Promise<boolean> => {
    if (!hasRoom()) {
      return false;
    }
    busy++;
    failpoint('claim.before');
    const claimed = await budget
      .claim(
        (memory) => claim({ ...claimant, memory }),
        (run) => run.memoryBytes,
      )
      .catch((error: unknown) => {
        log.warn({ err: error }, 'could not claim a run');
        return null;
      });
    if (claimed === null) {
      freeSlot();
      return false;
    }
    failpoint('claim.after');
    train(claimed);
    return true;
  };

  const train = (claimed: ClaimedRun): void => {
    const { runId, fence } = claimed.hold;
    log.info({ run: runId, fence, fromEpoch: claimed.epoch }, 'training starts');
    const task = startRun(taskDeps, claimed);
    tasks.set(runId, task);
    if (stopping.signal.aborted) {
      task.drain();
    }
    const startedAt = performance.now();
    void task.trained.then(() => {
      lastTrainingMs = performance.now() - startedAt;
      freeSlot();
    });
    void task.ended.then(async ({ waits }) => {
      log.info({ run: runId, fence, waits }, 'training ended');
      if (tasks.get(runId) === task) {
        tasks.delete(runId);
      }
      budget.release(claimed.memoryBytes);
      roomMade();
      if (passedOver) pollSooner();
      if (waits) {
        await issueTickets({ db, queue, log }, [{ runId, fence }]);
      }
    });
  };

  const room = async (): Promise<void> => {
    while (!hasRoom() && !stopping.signal.aborted) {
      await new Promise<void>((resolve) => {
        roomMade = resolve;
      });
    }
  };

  /** The doorbell: a ticket is fetched only when there is room for its run, or will be in a moment. */
  const serveTickets = async (): Promise<void> => {
    const claims = new Set<Promise<void>>();
    while (!stopping.signal.aborted) {
      if (lastTrainingMs > quickMs) {
        await room();
      }
      const runId = await queue.receive(stopping.signal);
      if (runId !== null) {
        rung = true;
        await room();
        const claim = tryClaim((now) => claimRun(db, runId, now)).then((isRun) => {
          passedOver ||= !isRun;
          if (!isRun) verifier.ring(runId);
        });
        claims.add(claim);
        void claim.finally(() => claims.delete(claim));
      }
    }
    await Promise.all(claims);
  };

  /** The look at the door: while the queue is away runs start all the same, only later. */
  const servePolls = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      passedOver = false;
      const silent = !rung;
      rung = false;
      let found = false;
      while (!stopping.signal.aborted && (await tryClaim((now) => claimNextRun(db, now)))) found = true;
      // Where nothing rings there may be more of them.
      if (silent && found && !hasRoom()) passedOver = true;
      verifier.poll();
      if (stopping.signal.aborted) return;
      const sooner = new AbortController();
      pollSooner = () => sooner.abort();
      await wait(config.reconcileSeconds * 1_000, undefined, sooner).catch(() => undefined);
    }
  };

  const checkAll = () => {
    for (const task of tasks.values()) {
      task.check();
    }
  };
  const listener = await listenSooner(databaseUrl, (runId) => tasks.get(runId)?.check(), checkAll, log);
  const entry = { id: workerId, hostname: hostname(), slots: workerSlots, memoryBytes };
  const { backend: engine, version: engineVersion } = claimant.engine;
  const registration = await register(db, { ...entry, backend: engine, engineVersion }, log);
  const reconciler = startReconciler({ db, databaseUrl, queue, log }, config.reconcileSeconds);
  const serving = Promise.all([serveTickets(), servePolls()]);

  return {
    drain: async () => {
      stopping.abort();
      roomMade();
      pollSooner();
      const leaving = registration.end();
      const ended = [...tasks.values()].map((task) => {
        task.drain();
        return task.ended;
      });
      await Promise.all([serving, reconciler.stop(), verifier.drain(), leaving, ...ended]);
      // A claim that was under way when the stop came has started its task by now, and drained it.
      await Promise.all([...tasks.values()].map((task) => task.ended));
      await Promise.all([listener.close(), queue.close(), threads.close()]);
      await db.close();
    },
  };
}

/** Postgres may come up after the worker. */
async function listenSooner(
  url: string,
  onPayload: (runId: string) => void,
  onReconnect: () => void,
  log: Log,
): Promise<Listener> {
  for (;;) {
    try {
      return await listen(url, runControlChannel, onPayload, onReconnect);
    } catch (error) {
      log.warn({ err: error }, 'Postgres cannot be reached; trying again');
      await wait(retryMs);
    }
  }
}
