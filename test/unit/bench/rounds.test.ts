import { expect, it } from 'vitest';
import type { Contestant } from '../../bench/contestant.ts';
import type { EngineName } from '../../bench/engines.ts';
import type { Neighbours } from '../../bench/neighbours.ts';
import { runContest } from '../../bench/rounds.ts';

const pace = { rounds: 2, seconds: 1, grain: 0.1, patience: 0 };

/** Neighbours that took so many processor seconds of each stretch of one second, in turn; nothing once they run out. */
function neighboursOf(foreign: readonly number[]): { neighbours: Neighbours; pauses: () => number } {
  const left = [...foreign];
  let pauses = 0;
  const neighbours: Neighbours = {
    begin: () => () => ({ seconds: 1, foreign: left.shift() ?? 0 }),
    pause: async () => {
      pauses++;
    },
  };
  return { neighbours, pauses: () => pauses };
}

const quiet = neighboursOf([]).neighbours;

function contestant(
  engine: EngineName,
  modes: readonly string[],
  calls: string[],
  fails: (call: string) => boolean = () => false,
): Contestant {
  const call = (text: string): void => {
    calls.push(text);
    if (fails(text)) throw new Error('out of memory');
  };
  return {
    engine,
    threads: 1,
    version: '1',
    notes: [],
    modes: async () => modes,
    prepare: async (job, mode) => call(`${engine} prepares ${job} ${mode}`),
    slice: async (job, mode) => {
      call(`${engine} trains ${job} ${mode}`);
      return { samples: [{ steps: 1000, seconds: 0.5 }], cpuSeconds: 0 };
    },
    forget: async () => call(`${engine} forgets`),
    close: () => undefined,
  };
}

it('lets every mode of every contestant train a slice in each round, in turn', async () => {
  const calls: string[] = [];
  const contestants = [contestant('wasm', ['run'], calls), contestant('torch', ['eager', 'jit'], calls)];
  const { timings } = await runContest('A', contestants, {
    pace,
    neighbours: quiet,
    report: () => undefined,
  });
  const round = ['wasm trains A run', 'torch trains A eager', 'torch trains A jit'];
  expect(calls).toEqual([
    'wasm prepares A run',
    'torch prepares A eager',
    'torch prepares A jit',
    ...round,
    ...round,
    'wasm forgets',
    'torch forgets',
  ]);
  expect(timings.map(({ mode, samples }) => [mode, samples])).toEqual([
    ['run', [500, 500]],
    ['eager', [500, 500]],
    ['jit', [500, 500]],
  ]);
});

it('says in one line each what cannot do the job, and goes on without it', async () => {
  const calls: string[] = [];
  const lines: string[] = [];
  const contestants = [
    contestant('sklearn', [], calls),
    contestant('tfjs-wasm', ['minimize'], calls, (call) => call.includes('prepares')),
    contestant('torch', ['eager'], calls, (call) => call.includes('trains')),
    contestant('wasm', ['run'], calls),
  ];
  const { timings } = await runContest('E', contestants, {
    pace,
    neighbours: quiet,
    report: (line) => lines.push(line),
  });
  expect(timings.map(({ contestant: { engine } }) => engine)).toEqual(['wasm']);
  expect(calls.filter((call) => call === 'torch trains E eager')).toHaveLength(1);
  expect(lines.filter((line) => line.includes('left out'))).toEqual([
    'E: sklearn on 1 thread left out: the job is beyond it',
    'E: tfjs-wasm on 1 thread, minimize, left out: out of memory',
    'E: torch on 1 thread, eager, left out: out of memory',
  ]);
});

it('repeats a disturbed slice while patience lasts, and says how disturbed what counts was', async () => {
  const calls: string[] = [];
  const contestants = [contestant('wasm', ['run'], calls)];
  const contest = async (patience: number, foreign: readonly number[]) => {
    calls.length = 0;
    const { neighbours, pauses } = neighboursOf(foreign);
    const at = { pace: { ...pace, patience }, neighbours, report: () => undefined };
    const { timings, foreignLoad } = await runContest('A', contestants, at);
    const trained = calls.filter((call) => call.includes('trains')).length;
    return { trained, pauses: pauses(), counted: timings[0]?.samples.length, foreignLoad };
  };
  const clean = { trained: 2, pauses: 0, counted: 2 };
  expect(await contest(60, [0.05, 0.05])).toEqual({ ...clean, foreignLoad: 0.05 });
  expect(await contest(60, [0.9, 0.9, 0])).toEqual({ trained: 4, pauses: 2, counted: 2, foreignLoad: 0 });
  // A slice and its pause take 1.5 s of the patience.
  expect(await contest(2, [0.9, 0.9, 0.8, 0.6])).toEqual({
    trained: 4,
    pauses: 2,
    counted: 2,
    foreignLoad: 0.7,
  });
});

it('goes on with the other modes and contestants when one cannot be prepared', async () => {
  const calls: string[] = [];
  const dead = contestant('torch', ['eager'], calls);
  const contestants = [
    { ...dead, modes: () => Promise.reject(new Error('its process ended')) },
    contestant('tfjs-cpu', ['trainOnBatch', 'minimize'], calls, (call) => call.includes('trainOnBatch')),
  ];
  const at = { pace, neighbours: quiet, report: () => undefined };
  const { timings } = await runContest('A', contestants, at);
  expect(timings.map(({ mode }) => mode)).toEqual(['minimize']);
});
