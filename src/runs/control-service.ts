// Cancel, pause, resume: what a client asks of a run, and why it cannot be had.
import { notFound, problem } from '../errors.ts';
import { type ControlAction, controlRun } from './control-store.ts';
import type { Run } from './schema.ts';
import type { RunDeps } from './service.ts';
import type { RunStatus } from './status.ts';
import { getRun } from './store.ts';

/** The run as it is then. Throws 404 and 409. */
export async function askOfRun(
  { db, tickets }: RunDeps,
  projectId: string,
  id: string,
  action: ControlAction,
): Promise<Run> {
  const result = await controlRun(db, projectId, id, action);
  if (result.outcome === 'notFound') throw notFound('run');
  const { status, fence } = result.run;
  if (result.outcome === 'illegalTransition') throw impossible(status, action);
  if (status === 'queued') tickets.issue({ runId: id, fence });
  return getRun(db, projectId, id);
}

const done: Readonly<Record<ControlAction, string>> = {
  cancel: 'cancelled',
  pause: 'paused',
  resume: 'resumed',
};

function impossible(status: RunStatus, action: ControlAction) {
  const cannot = `cannot be ${done[action]}`;
  return problem(
    'illegal-transition',
    status === 'cancelling'
      ? `The run is being cancelled and ${cannot}; it ends by itself. To train the same again, submit it anew.`
      : `The run ${ended(status)} already and ${cannot}. It can be deleted; to train the same again, submit it anew.`,
  );
}

function ended(status: RunStatus): string {
  return status === 'cancelled' ? 'was cancelled' : `has ${status}`;
}
