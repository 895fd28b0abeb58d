// One claimed verification: hands the evidence and the data to a thread, keeps the lease, stores the verdict.

import { engineVersion } from '../src/engine/version.ts';
import { readModel } from '../src/runs/progress-store.ts';
import {
  type ClaimedVerification,
  type Finding,
  failVerification,
  finishVerification,
  readEvidence,
  releaseVerification,
  renewVerification,
  surrenderVerification,
} from '../src/runs/verification-store.ts';
import { startHeartbeat } from './heartbeat.ts';
import { outOfMemory } from './out-of-memory.ts';
import { type Persistence, persist } from './persist.ts';
import { control, type ThreadMessage, type VerifyMessage } from './protocol.ts';
import type { RunDeps } from './run.ts';
import { openRunData, type RunData, sendNextChunk } from './run-data.ts';
import type { TrainingThread } from './slots.ts';
import { findStates } from './state-store.ts';

export interface VerificationTask {
  /** Stop; another worker may take it up. */
  drain(): void;
  /** Never rejects. */
  readonly ended: Promise<void>;
}

type End =
  | Extract<ThreadMessage, { type: 'verified' | 'stopped' | 'failed' }>
  | { readonly type: 'died'; readonly error: unknown }
  | { readonly type: 'lost' };

/** How long a thread may take to stop. */
const stopGraceMs = 1_200;

export function startVerification(deps: RunDeps, claimed: ClaimedVerification): VerificationTask {
  const { db, leaseSeconds } = deps;
  const { hold, run } = claimed;
  const log = deps.log.child({ verification: hold.id, run: run.hold.runId });
  const leaving = new AbortController();
  const patience: Persistence = { log, signal: leaving.signal };
  let data: RunData | null = null;
  let thread: TrainingThread | null = null;
  let stepping = false;
  let grace: NodeJS.Timeout | undefined;
  let end: (end: End) => void = () => undefined;
  const ending = new Promise<End>((resolve) => {
    end = resolve;
  });

  const heartbeat = startHeartbeat({
    leaseSeconds,
    stallSeconds: deps.stallSeconds,
    renew: async () => ((await renewVerification(db, hold, leaseSeconds)) ? 'running' : 'lost'),
    progress: () => (thread !== null && stepping ? Atomics.load(thread.shared, control.steps) : null),
    onWanted: (wanted) => {
      if (wanted === 'lost') end({ type: 'lost' });
    },
    onStalled: () => end({ type: 'died', error: new Error('it takes no steps any more') }),
    onError: (error) => log.warn({ err: error }, 'the lease could not be renewed'),
  });

  const sendChunk = async (): Promise<void> => {
    try {
      await sendNextChunk(data, thread, patience);
    } catch (error) {
      end({ type: 'died', error });
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
        return;
      case 'finishing':
        stepping = false;
        return;
      case 'verified':
      case 'stopped':
      case 'failed':
        end(message);
        return;
      case 'log':
      case 'epochs':
      case 'finished':
        log.error({ message: message.type }, 'a verification said what only a training says');
        return;
      default:
        message satisfies never;
    }
  };

  const verify = async (): Promise<End> => {
    data = await openRunData(db, deps.caches, run, leaving.signal);
    const message = await persist('evidence', () => messageOf(deps, claimed, data), patience);
    if (leaving.signal.aborted || message === null) return { type: 'stopped', checkpoint: null };
    thread = deps.threads.acquire();
    thread.start(message, hear, ({ error }) => end({ type: 'died', error }));
    return ending;
  };

  const leaveThread = async (last: End): Promise<void> => {
    if (thread !== null && last.type !== 'died' && last.type !== 'lost') deps.threads.release(thread);
    else await thread?.terminate();
    thread = null;
    data?.release();
  };

  const store = async (last: End): Promise<unknown> => {
    switch (last.type) {
      case 'verified':
        return finishVerification(db, hold, { ...last, detail: last.detail + versionHint(last, claimed) });
      case 'stopped':
        return releaseVerification(db, hold);
      case 'failed':
        // Memory that is refused once is refused again.
        if (last.error === null || last.code === outOfMemory.code)
          return failVerification(db, hold, last.detail);
        log.error({ err: last.error }, 'the verification failed');
        return surrenderVerification(db, hold);
      case 'died':
        log.error({ err: last.error }, 'the verification died');
        return surrenderVerification(db, hold);
      case 'lost':
        return null;
      default:
        return last satisfies never;
    }
  };

  const work = async (): Promise<void> => {
    try {
      const last = await verify().catch(
        (error: unknown): End =>
          leaving.signal.aborted ? { type: 'stopped', checkpoint: null } : { type: 'died', error },
      );
      await leaveThread(last);
      await persist('verdict', () => store(last), patience);
    } catch (error) {
      log.error({ err: error }, 'left the verification to the reconciler');
    } finally {
      data?.release();
      heartbeat.stop();
      clearTimeout(grace);
    }
  };

  return {
    drain: () => {
      leaving.abort();
      thread?.stop();
      grace ??= setTimeout(() => end({ type: 'died', error: new Error('it did not stop') }), stopGraceMs);
    },
    ended: work(),
  };
}

/** Another version of the engine may give other bits, and be right. */
function versionHint({ verdict, replayedFrom }: Finding, { engineVersions }: ClaimedVerification): string {
  const others = engineVersions.filter((version) => version !== engineVersion);
  return verdict === 'equal' || replayedFrom === null || others.length === 0
    ? ''
    : ` It was trained by version ${others.join(' and ')} of the engine, and again by version ${engineVersion}.`;
}

async function messageOf(
  { db, backend, threadsMax }: RunDeps,
  { run, fromEpoch, toEpoch, recipeSha256, weightsSha256, stopReason }: ClaimedVerification,
  data: RunData | null,
): Promise<VerifyMessage | null> {
  if (data === null) return null;
  const { runId } = run.hold;
  const columns = await readEvidence(db, runId);
  const states = await findStates(db, runId, fromEpoch, toEpoch);
  const model = await readModel(db, runId);
  return {
    type: 'verify',
    ...{ spec: run.spec, backend, threadsMax, data: data.start() },
    ...{ fromEpoch, toEpoch, recipeSha256, weightsSha256, stopReason },
    contentSha256: run.dataset.contentSha256,
    stored: { ...columns, head: run.chainSha256, ...states, model },
  };
}
