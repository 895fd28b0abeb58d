// What the end of a training in its thread means for the run.
import type { Database } from '../src/db/client.ts';
import { type Hold, releaseRun, surrenderRun } from '../src/runs/lease-store.ts';
import { finishRun } from '../src/runs/progress-store.ts';
import type { RunFailure } from '../src/runs/status.ts';
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
  readonly db: Database;
  readonly hold: Hold;
  readonly progress: Progress;
}

/** Stores what is left and ends the run or lets go of it. True: it may wait for a worker again. */
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
      return persist('release', () => releaseRun(db, hold), at);
    case 'stuck':
      await progress.flush();
      return end.asked
        ? persist('release', () => releaseRun(db, hold), at)
        : persist('surrender', () => surrenderRun(db, hold), at);
    case 'died':
      log.error({ err: end.error, code: end.code }, 'the training thread died');
      await progress.flush();
      if (end.code !== 'ERR_WORKER_OUT_OF_MEMORY') {
        return persist('surrender', () => surrenderRun(db, hold), at);
      }
      // It would die the same death again.
      await fail(at, {
        code: 'outOfMemory',
        detail: 'The training needs more memory than a training thread has.',
      });
      return false;
    case 'failed':
      if (end.error !== null) {
        log.error({ err: end.error }, 'the training failed');
      }
      await progress.flush();
      await fail(at, { code: end.code, detail: end.detail });
      return false;
    case 'finished':
      await progress.flush();
      await finish(at, end);
      return false;
    default:
      return end satisfies never;
  }
}

async function fail(at: Settlement, failure: RunFailure): Promise<void> {
  const outcome = { action: 'fail', stopReason: failure.code, failure } as const;
  await persist('failure', () => finishRun(at.db, at.hold, outcome), at);
}

async function finish(at: Settlement, end: Extract<EndMessage, { type: 'finished' }>): Promise<void> {
  const { type: _type, ...done } = end;
  const outcome =
    done.stopReason === 'diverged'
      ? ({ ...done, action: 'fail', failure: diverged } as const)
      : ({ ...done, action: 'succeed' } as const);
  await persist('end', () => finishRun(at.db, at.hold, outcome), at);
}

const diverged: RunFailure = {
  code: 'diverged',
  detail:
    'The loss or a weight stopped being a finite number. The weights of the last good epoch are kept; ' +
    'a smaller learning rate may help.',
};
