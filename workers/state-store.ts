// The training state that a run goes on from: the newest one whose bytes are what was stored.
import { createHash } from 'node:crypto';
import type { SqlDatabase } from '../src/db/sql.ts';
import type { Log } from '../src/log.ts';
import type { Hold } from '../src/runs/lease-store.ts';
import { type CheckpointBytes, discardState, listStates, readState } from '../src/runs/progress-store.ts';

/** Null: there is none, and the training starts over. A damaged one is removed, and the run's events say so. */
export async function readUsableState(
  db: SqlDatabase,
  hold: Hold,
  log: Log,
): Promise<CheckpointBytes | null> {
  const states = await listStates(db, hold.runId);
  for (const [i, place] of states.entries()) {
    const state = await readState(db, hold.runId, place);
    if (state === null) {
      continue;
    }
    if (createHash('sha256').update(state.bytes).digest('hex') === state.sha256) {
      return state;
    }
    const next = states[i + 1];
    const message = `The checkpoint of ${nameOf(place)} is damaged; the training goes on from ${
      next === undefined ? 'the start' : `the one of ${nameOf(next)}`
    }.`;
    log.error(message);
    await discardState(db, hold, place, message);
  }
  return null;
}

function nameOf({ epoch, stepsWithin }: { readonly epoch: number; readonly stepsWithin: number }): string {
  return stepsWithin === 0 ? `epoch ${epoch}` : `epoch ${epoch} and ${stepsWithin} steps`;
}
