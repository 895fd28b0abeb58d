// Stored training states whose bytes are what was stored: the newest of them is what a run goes on from.
import type { SqlPool } from '../src/db/sql.ts';
import type { Log } from '../src/log.ts';
import type { Hold } from '../src/runs/lease-store.ts';
import { type CheckpointBytes, discardState, listStates, readState } from '../src/runs/progress-store.ts';

/** Null: there is none, and the training starts over. A damaged one is removed, and the run's events say so. */
export async function readUsableState(db: SqlPool, hold: Hold, log: Log): Promise<CheckpointBytes | null> {
  const states = await listStates(db, hold.runId);
  for (const [i, place] of states.entries()) {
    const state = await readState(db, hold.runId, place);
    if (state === null) {
      continue;
    }
    if (state.whole) {
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

export interface FoundStates {
  /** The first epoch in question whose state is damaged. */
  readonly damaged: number | null;
  /** The newest of an epoch before those in question. */
  readonly state: CheckpointBytes | null;
}

/** What the stored states say about the epochs in question, and where their training can be started again. */
export async function findStates(
  db: SqlPool,
  runId: string,
  fromEpoch: number,
  toEpoch: number,
): Promise<FoundStates> {
  let damaged: number | null = null;
  let start: CheckpointBytes | null = null;
  // Newest first: the last damaged one found is the earliest.
  for (const place of await listStates(db, runId)) {
    const before = place.epoch < fromEpoch && place.stepsWithin === 0;
    const inQuestion = place.epoch >= fromEpoch - 1 && place.epoch <= toEpoch;
    if (!inQuestion && (!before || start !== null)) {
      continue;
    }
    const state = await readState(db, runId, place);
    if (state?.whole === true) {
      start ??= before ? state : null;
    } else if (inQuestion) {
      damaged = place.epoch;
    }
  }
  return { damaged, state: start };
}

function nameOf({ epoch, stepsWithin }: { readonly epoch: number; readonly stepsWithin: number }): string {
  return stepsWithin === 0 ? `epoch ${epoch}` : `epoch ${epoch} and ${stepsWithin} steps`;
}
