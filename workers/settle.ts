// What the end of a training in its thread means for the run.
import type { SqlPool } from '../src/db/sql.ts';
import { failpoint } from '../src/failpoints.ts';
import { type Hold, releaseRun, surrenderRun } from '../src/runs/lease-store.ts';
import { finishRun, type Outcome } from '../src/runs/progress-store.ts';
import type { RunFailure, RunStatus } from '../src/runs/status.ts';
import { outOfMemory } from './out-of-memory.ts';
import { type Persistence, persist } from './persist.ts';
import type { Progress } from './progress.ts';
import type { EndMessage } from './protocol.ts';

/**
 * Besides the thread's own last word: it died; it takes no steps, or did not stop when told; the run belongs to
 * somebody else now.
 */
export type End =
  | EndMessage
  | { readonly type: 'died'; readonly code: string | null; readonly error: unknown }
  | { readonly type: 'stuck'; readonly asked: boolean }
  | { readonly type: 'lost' };

export interface Settlement extends Persistence {
  readonly db: SqlPool;
  readonly hold: Hold;
  readonly progress: Progress;
}

/** Stores what is left and ends the run or lets go of it. True: it waits for a worker again. */
export async function settle(at: Settlement, end: End): Promise<boolean> {
  const { db, hold, progress, log } = at;
  switch (end.type) {
    case 'lost':
      return false;
    case 'stopped':
      if (end.checkpoint !== null) {
        progress.addCheckpoint(end.checkpoint);
      }
      await progress.flush();
      return waits(release(at));
    case 'stuck':
      await progress.flush();
      return waits(end.asked ? release(at) : persist('surrender', () => surrenderRun(db, hold), at));
    case 'died':
      log.error({ err: end.error, code: end.code }, 'the training thread died');
      if (end.code !== 'ERR_WORKER_OUT_OF_MEMORY') {
        await progress.flush();
        return waits(persist('surrender', () => surrenderRun(db, hold), at));
      }
      // It would die the same death again.
      await finish(at, { action: 'fail', stopReason: outOfMemory.code, failure: outOfMemory });
      return false;
    case 'failed':
      if (end.error !== null) {
        log.error({ err: end.error }, 'the training failed');
      }
      await finish(at, {
        action: 'fail',
        stopReason: end.code,
        failure: { code: end.code, detail: end.detail },
      });
      return false;
    case 'finished': {
      const { stopReason, results, weightsSha256, bestEpoch, model } = end;
      const done = { stopReason, results, weightsSha256, bestEpoch, model };
      await finish(
        at,
        stopReason === 'diverged'
          ? { ...done, action: 'fail', failure: diverged }
          : { ...done, action: 'succeed' },
      );
      return false;
    }
    default:
      return end satisfies never;
  }
}

/** A paused run waits for its client; one that was resumed meanwhile is queued again. */
async function waits(released: Promise<RunStatus | null>): Promise<boolean> {
  return (await released) === 'queued';
}

async function release(at: Settlement): Promise<RunStatus | null> {
  failpoint('release.before');
  const status = await persist('release', () => releaseRun(at.db, at.hold), at);
  failpoint('release.after');
  return status;
}

/** Ends the run, in one transaction with what of its epochs is not stored yet. */
async function finish({ db, hold, progress, log, signal }: Settlement, outcome: Outcome): Promise<void> {
  const last = await progress.take();
  if (last !== null) {
    failpoint('end.before');
    await persist('end', () => finishRun(db, hold, outcome, last), { log, signal });
    failpoint('end.committed');
  }
}

const diverged: RunFailure = {
  code: 'diverged',
  detail:
    'The loss or a weight stopped being a finite number. The weights of the last good epoch are kept; ' +
    'a smaller learning rate may help.',
};
