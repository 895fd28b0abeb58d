// The life of a run as a pure table. Whoever moves a run asks here which state comes next; states that are not
// in the table are illegal, and terminal states have no way out.

export const runStatuses = [
  'queued',
  'running',
  'pausing',
  'paused',
  'cancelling',
  'succeeded',
  'failed',
  'cancelled',
] as const;
export type RunStatus = (typeof runStatuses)[number];

/**
 * What can happen to a run. By a client: cancel, pause, resume. By a worker that holds it: claim, succeed, fail,
 * release (it stops at a client's or its own shutdown's wish, everything kept). By anyone who sees that its
 * holder is gone: expire; fail when that happened too often.
 */
export const runActions = [
  'claim',
  'succeed',
  'fail',
  'release',
  'expire',
  'cancel',
  'pause',
  'resume',
] as const;
export type RunAction = (typeof runActions)[number];

const table: Readonly<Record<RunStatus, Readonly<Partial<Record<RunAction, RunStatus>>>>> = {
  queued: { claim: 'running', cancel: 'cancelled', pause: 'paused' },
  running: {
    succeed: 'succeeded',
    fail: 'failed',
    release: 'queued',
    expire: 'queued',
    cancel: 'cancelling',
    pause: 'pausing',
  },
  // A pause that comes too late is overtaken by the end.
  pausing: {
    succeed: 'succeeded',
    fail: 'failed',
    release: 'paused',
    expire: 'paused',
    cancel: 'cancelling',
    resume: 'running',
  },
  paused: { resume: 'queued', cancel: 'cancelled' },
  // A cancel that was accepted is kept, whatever the worker managed to do meanwhile.
  cancelling: { succeed: 'cancelled', fail: 'cancelled', release: 'cancelled', expire: 'cancelled' },
  succeeded: {},
  failed: {},
  cancelled: {},
};

/** The state after `action`, or null where it is illegal. */
export function transition(from: RunStatus, action: RunAction): RunStatus | null {
  return table[from][action] ?? null;
}

export const terminalStatuses = ['succeeded', 'failed', 'cancelled'] as const;
export type TerminalStatus = (typeof terminalStatuses)[number];

export function isTerminal(status: RunStatus): status is TerminalStatus {
  return (terminalStatuses as readonly RunStatus[]).includes(status);
}

/** A worker holds the run, and its lease counts. */
export const heldStatuses = ['running', 'pausing', 'cancelling'] as const;
export type HeldStatus = (typeof heldStatuses)[number];

export function isHeld(status: RunStatus): status is HeldStatus {
  return (heldStatuses as readonly RunStatus[]).includes(status);
}

/** Why a run ended. */
export type StopReason =
  | 'completed'
  | 'earlyStopped'
  | 'budget'
  | 'diverged'
  | 'user'
  | 'crashLoop'
  | 'invalidData'
  | 'outOfMemory'
  | 'internalError';

/** As many claims in a row without a new epoch or state end the run. */
export const restartsMax = 5;

/** What a client may read about a failed run. */
export interface RunFailure {
  readonly code: StopReason;
  readonly detail: string;
}
