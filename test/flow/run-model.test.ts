// The life of a run under random sequences of everything that can happen to it, alone and two at a time, by the real
// stores on a real database, against a small model of what should.
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineSpec } from '../../src/engine/spec.ts';
import { type ControlAction, controlRun } from '../../src/runs/control-store.ts';
import {
  claimRun,
  releaseRun,
  renewLease,
  requeueExpired,
  surrenderRun,
} from '../../src/runs/lease-store.ts';
import { commitEpochs, type FinishedEpoch, finishRun } from '../../src/runs/progress-store.ts';
import { insertRun } from '../../src/runs/store.ts';
import {
  claimant,
  eventsOf,
  expireLease,
  insertDataset,
  type RunDatabase,
  runDatabase,
} from './support/lifecycle.ts';

const sequences = 25;
const commandsEach = 40;
const runsEach = 2;
const crashesMax = 5;

/** What happens; which epochs and which fence that means is decided by the state it meets. */
type Happening =
  | { readonly kind: ControlAction | 'claim' | 'expire' }
  | { readonly kind: 'release' | 'surrender' | 'renew'; readonly isStale: boolean }
  | { readonly kind: 'commit'; readonly isStale: boolean; readonly ahead: -1 | 1 | 3; readonly count: number }
  | {
      readonly kind: 'finish';
      readonly isStale: boolean;
      readonly action: 'succeed' | 'fail';
      readonly count: number;
    };

/** The same with its numbers. */
interface Command {
  readonly happening: Happening;
  readonly fence: number;
  readonly first: number;
  readonly count: number;
}

interface State {
  readonly status: string;
  readonly fence: number;
  readonly epoch: number;
  readonly restarts: number;
}

const submitted: State = { status: 'queued', fence: 0, epoch: 0, restarts: 0 };

/** Every move there is, as `from action`, written out once more. */
const moves: Readonly<Record<string, string>> = {
  'queued claim': 'running',
  'queued cancel': 'cancelled',
  'queued pause': 'paused',
  'running cancel': 'cancelling',
  'running pause': 'pausing',
  'running letGo': 'queued',
  'running succeed': 'succeeded',
  'running fail': 'failed',
  'pausing cancel': 'cancelling',
  'pausing resume': 'running',
  'pausing letGo': 'paused',
  'pausing succeed': 'succeeded',
  'pausing fail': 'failed',
  'paused cancel': 'cancelled',
  'paused resume': 'queued',
  'cancelling letGo': 'cancelled',
  'cancelling succeed': 'cancelled',
  'cancelling fail': 'cancelled',
};

const granted: Readonly<Record<string, readonly string[]>> = {
  cancel: ['cancelling', 'cancelled'],
  pause: ['pausing', 'paused'],
  resume: ['queued', 'running'],
};

const isHeld = ({ status }: State) => ['running', 'pausing', 'cancelling'].includes(status);

/** The state after a command, and what the command is answered. */
function model(state: State, command: Command): readonly [State, unknown] {
  const { happening } = command;
  const holds = isHeld(state) && command.fence === state.fence;
  switch (happening.kind) {
    case 'cancel':
    case 'pause':
    case 'resume': {
      if (granted[happening.kind]?.includes(state.status)) return [state, `accepted: ${state.status}`];
      const status = moves[`${state.status} ${happening.kind}`];
      return status === undefined
        ? [state, `illegalTransition: ${state.status}`]
        : [{ ...state, status }, `accepted: ${status}`];
    }
    case 'claim': {
      if (state.status !== 'queued') return [state, null];
      const fence = state.fence + 1;
      return [{ ...state, status: 'running', fence, restarts: state.restarts + 1 }, fence];
    }
    case 'renew':
      return [state, holds ? state.status : 'lost'];
    case 'release':
      return holds ? letGo(state, -1) : [state, null];
    case 'surrender':
      return holds ? letGo(state, 0) : [state, null];
    case 'expire':
      return isHeld(state) ? [letGo(state, 0)[0], true] : [state, false];
    case 'commit': {
      if (!holds) return [state, 'lost'];
      if (command.first > state.epoch + 1) return [state, 'refused'];
      return [withEpochs(state, command), state.status];
    }
    case 'finish':
      return holds
        ? [{ ...withEpochs(state, command), status: moved(state, happening.action) }, true]
        : [state, false];
    default:
      return happening satisfies never;
  }
}

function letGo(state: State, restarts: number): readonly [State, string] {
  const next = moved(state, 'letGo');
  const isHopeless = restarts === 0 && next === 'queued' && state.restarts >= crashesMax;
  const status = isHopeless ? 'failed' : next;
  const isOver = status === 'failed' || status === 'cancelled';
  return [
    { ...state, status, restarts: isOver ? state.restarts : Math.max(0, state.restarts + restarts) },
    status,
  ];
}

function moved({ status }: State, action: string): string {
  const next = moves[`${status} ${action}`];
  if (next === undefined) throw new Error(`the model has no ${status} ${action}`);
  return next;
}

function withEpochs(state: State, { first, count }: Command): State {
  const epoch = Math.max(state.epoch, first + count - 1);
  return { ...state, epoch, restarts: epoch > state.epoch ? 0 : state.restarts };
}

function commandFor(happening: Happening, { fence, epoch }: State): Command {
  const isStale = 'isStale' in happening && happening.isStale;
  const ahead = happening.kind === 'commit' ? happening.ahead : 1;
  const count = 'count' in happening ? happening.count : 0;
  return { happening, fence: isStale ? fence - 1 : fence, first: Math.max(1, epoch + ahead), count };
}

let at: RunDatabase;
let datasetId: string;
beforeAll(async () => {
  at = await runDatabase(process.env.TEST_DATABASE_URL ?? '');
  datasetId = await insertDataset(at);
});
afterAll(() => at.drop());

async function submit(): Promise<string> {
  const layers = [{ kind: 'dense', units: 1 }];
  const data = { dataset: datasetId, target: 'y' };
  const spec = engineSpec.parse({ data, model: { layers }, training: { epochs: 1_000 } });
  const id = randomUUID();
  const hashes = { specSha256: '', recipeSha256: 'recipe' };
  await insertRun(at.db, {
    id,
    projectId: at.projectId,
    name: 'run',
    tags: [],
    metadata: {},
    spec,
    memoryBytes: 0,
    ...hashes,
  });
  return id;
}

async function perform(runId: string, { happening, fence, first, count }: Command): Promise<unknown> {
  const hold = { runId, fence };
  const epochs = Array.from({ length: count }, (_, i) => finishedEpoch(first + i));
  switch (happening.kind) {
    case 'cancel':
    case 'pause':
    case 'resume': {
      const result = await controlRun(at.db, at.projectId, runId, happening.kind);
      return result.outcome === 'notFound' ? 'notFound' : `${result.outcome}: ${result.run.status}`;
    }
    case 'claim':
      return (await claimRun(at.sql, runId, claimant('worker', 3_600)))?.hold.fence ?? null;
    case 'renew':
      return renewLease(at.sql, hold, 3_600);
    case 'release':
      return releaseRun(at.sql, hold);
    case 'surrender':
      return surrenderRun(at.sql, hold);
    case 'expire':
      await expireLease(at, runId);
      return (await requeueExpired(at.sql)).includes(runId);
    case 'commit':
      return commitEpochs(at.sql, hold, { epochs, checkpoint: null }).catch((error: Error) =>
        error.message.includes('does not follow') ? 'refused' : Promise.reject(error),
      );
    case 'finish': {
      const { action } = happening;
      return finishRun(at.sql, hold, { action, stopReason: 'completed' }, { epochs, checkpoint: null });
    }
    default:
      return happening satisfies never;
  }
}

const finishedEpoch = (epoch: number): FinishedEpoch => ({
  ...{ epoch, metrics: { loss: 1 }, diverged: false, weightsSha256: `weights ${epoch}` },
  ...{ chainSha256: `chain ${epoch}`, durationMs: 1, bestEpoch: epoch, etaSeconds: 0 },
});

async function stateOf(runId: string): Promise<State> {
  const select = { status: true, fence: true, epoch: true, restarts: true } as const;
  return at.db.run.findUniqueOrThrow({ where: { id: runId }, select });
}

/** What holds of a run at any moment, whatever has happened. */
async function expectInvariants(runId: string): Promise<void> {
  const { status, epoch, chainSha256, ...run } = await at.db.run.findUniqueOrThrow({ where: { id: runId } });
  const events = await eventsOf(at, runId);
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, i) => i + 1));
  expect(run.eventSequence).toBe(events.length);
  const told = events.flatMap(({ type, data }) =>
    type === 'status' ? [(data as { status: string }).status] : [],
  );
  expect(told.at(0)).toBe('queued');
  expect(told.at(-1)).toBe(status);
  const legal = new Set([
    ...Object.entries(moves).map(([move, to]) => `${move.split(' ')[0]} ${to}`),
    'running failed',
  ]);
  for (const [i, to] of told.entries()) if (i > 0) expect(legal).toContain(`${told[i - 1]} ${to}`);
  const isOver = ['succeeded', 'failed', 'cancelled'].includes(status);
  expect(events.flatMap(({ type }, i) => (type === 'done' ? [i + 1] : []))).toEqual(
    isOver ? [events.length] : [],
  );
  const numbers = Array.from({ length: epoch }, (_, i) => i + 1);
  const rows = await at.db.epoch.findMany({ where: { runId }, orderBy: { epoch: 'asc' } });
  expect(rows.map((row) => row.epoch)).toEqual(numbers);
  const toldEpochs = events.flatMap(({ type, data }) =>
    type === 'epoch' ? [(data as { epoch: number }).epoch] : [],
  );
  expect(toldEpochs).toEqual(numbers);
  expect(chainSha256).toBe(epoch === 0 ? 'recipe' : `chain ${epoch}`);
  const attempts = await at.db.runAttempt.findMany({ where: { runId }, orderBy: { fence: 'asc' } });
  expect(attempts.map(({ fence }) => fence)).toEqual(Array.from({ length: run.fence }, (_, i) => i + 1));
  expect(run.workerId !== null && run.leaseExpiresAt !== null).toBe(isHeld({ ...submitted, status }));
}

const isStale = fc.nat(3).map((n) => n === 3);
const count = fc.integer({ min: 1, max: 3 });
const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 8, arbitrary: fc.constant({ kind: 'claim' } as const) },
  { weight: 4, arbitrary: fc.constantFrom({ kind: 'pause' } as const, { kind: 'resume' } as const) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('commit' as const),
      isStale,
      ahead: fc.constantFrom(-1 as const, 1, 1, 3),
      count,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('release' as const, 'surrender', 'renew'), isStale }),
  },
  { weight: 3, arbitrary: fc.constant({ kind: 'expire' } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: 'cancel' } as const) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('finish' as const),
      isStale,
      action: fc.constantFrom('succeed' as const, 'fail'),
      count: fc.nat(2),
    }),
  },
);
/** An expiry takes two statements, and so has no place beside another. */
const beside = happening.filter(({ kind }) => kind !== 'expire');
const turn = fc.record({
  run: fc.nat(runsEach - 1),
  happenings: fc.oneof(
    { weight: 3, arbitrary: fc.tuple(happening) },
    { weight: 1, arbitrary: fc.tuple(beside, beside) },
  ),
});

/** The state that explains the answers, whichever of the commands came first; null where none does. */
function explain(before: State, commands: readonly Command[], answers: readonly unknown[]): State[] {
  const orders =
    commands.length === 2
      ? [
          [0, 1],
          [1, 0],
        ]
      : [[0]];
  return orders.flatMap((order) => {
    let state = before;
    const fits = order.every((i) => {
      const [next, answer] = model(state, commands[i] as Command);
      state = next;
      return answer === answers[i];
    });
    return fits ? [state] : [];
  });
}

describe('the life of a run', () => {
  it(`is as the model says through ${sequences * commandsEach} commands`, async () => {
    const statuses = new Set<string>();
    await fc.assert(
      fc.asyncProperty(
        fc.array(turn, { minLength: commandsEach, maxLength: commandsEach }),
        async (turns) => {
          const runs = await Promise.all(Array.from({ length: runsEach }, submit));
          const states = runs.map(() => submitted);
          for (const { run, happenings } of turns) {
            const [runId = '', before = submitted] = [runs[run], states[run]];
            const commands = happenings.map((each) => commandFor(each, before));
            const answers = await Promise.all(commands.map((command) => perform(runId, command)));
            const after = await stateOf(runId);
            const story = `${JSON.stringify(before)} ${JSON.stringify(commands)} gave ${JSON.stringify(answers)}`;
            expect(explain(before, commands, answers), story).toContainEqual(after);
            states[run] = after;
            statuses.add(after.status);
          }
          for (const runId of runs) await expectInvariants(runId);
        },
      ),
      { numRuns: sequences },
    );
    expect([...statuses].sort()).toEqual([
      'cancelled',
      'cancelling',
      'failed',
      'paused',
      'pausing',
      'queued',
      'running',
      'succeeded',
    ]);
  }, 180_000);
});
