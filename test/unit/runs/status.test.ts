import { describe, expect, it } from 'vitest';
import {
  heldStatuses,
  isTerminal,
  type RunAction,
  type RunStatus,
  runActions,
  runStatuses,
  transition,
} from '../../../src/runs/status.ts';

/** Every legal move, written out a second time: whatever is not here must be refused. */
const legal: [RunStatus, RunAction, RunStatus][] = [
  ['queued', 'claim', 'running'],
  ['queued', 'cancel', 'cancelled'],
  ['queued', 'pause', 'paused'],
  ['running', 'succeed', 'succeeded'],
  ['running', 'fail', 'failed'],
  ['running', 'release', 'queued'],
  ['running', 'expire', 'queued'],
  ['running', 'cancel', 'cancelling'],
  ['running', 'pause', 'pausing'],
  ['pausing', 'succeed', 'succeeded'],
  ['pausing', 'fail', 'failed'],
  ['pausing', 'release', 'paused'],
  ['pausing', 'expire', 'paused'],
  ['pausing', 'cancel', 'cancelling'],
  ['pausing', 'resume', 'running'],
  ['paused', 'resume', 'queued'],
  ['paused', 'cancel', 'cancelled'],
  ['cancelling', 'succeed', 'cancelled'],
  ['cancelling', 'fail', 'cancelled'],
  ['cancelling', 'release', 'cancelled'],
  ['cancelling', 'expire', 'cancelled'],
];

describe('the status of a run', () => {
  it.each(runStatuses.flatMap((from) => runActions.map((action) => [from, action] as const)))(
    '%s on %s',
    (from, action) => {
      const expected = legal.find(([status, on]) => status === from && on === action)?.[2] ?? null;
      expect(transition(from, action)).toBe(expected);
    },
  );

  it('has no way out of a terminal state, and a way to an end from every other', () => {
    const reachable = (from: RunStatus, seen = new Set<RunStatus>()): Set<RunStatus> => {
      for (const action of runActions) {
        const next = transition(from, action);
        if (next !== null && !seen.has(next)) {
          reachable(next, seen.add(next));
        }
      }
      return seen;
    };
    for (const status of runStatuses) {
      expect([...reachable(status)].some(isTerminal), status).toBe(!isTerminal(status));
    }
  });

  it('can always be let go of while a worker holds it', () => {
    for (const status of heldStatuses) {
      for (const action of ['succeed', 'fail', 'release', 'expire', 'cancel'] as const) {
        const next = transition(status, action);
        expect(next === null, `${status} ${action}`).toBe(status === 'cancelling' && action === 'cancel');
      }
    }
  });
});
