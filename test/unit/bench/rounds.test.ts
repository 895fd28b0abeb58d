import { expect, it } from 'vitest';
import type { Contestant } from '../../bench/contestant.ts';
import type { EngineName } from '../../bench/engines.ts';
import { runContest } from '../../bench/rounds.ts';

const pace = { rounds: 2, seconds: 1, grain: 0.1 };

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
  const { timings } = await runContest('A', contestants, pace, () => undefined);
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
  const { timings } = await runContest('E', contestants, pace, (line) => lines.push(line));
  expect(timings.map(({ contestant: { engine } }) => engine)).toEqual(['wasm']);
  expect(calls.filter((call) => call === 'torch trains E eager')).toHaveLength(1);
  expect(lines.filter((line) => line.includes('left out'))).toEqual([
    'E: sklearn on 1 thread left out: the job is beyond it',
    'E: tfjs-wasm on 1 thread, minimize, left out: out of memory',
    'E: torch on 1 thread, eager, left out: out of memory',
  ]);
});
