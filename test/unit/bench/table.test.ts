import { expect, it } from 'vitest';
import type { Contestant } from '../../bench/contestant.ts';
import { readJobs } from '../../bench/jobs.ts';
import type { Timing } from '../../bench/rounds.ts';
import { resultsOf, roofsOf, tableOf } from '../../bench/table.ts';

const job = readJobs().B; // 410.8 MFLOP a step

function timing(engine: Contestant['engine'], threads: number, mode: string, samples: number[]): Timing {
  const contestant = { engine, threads } as Contestant;
  return { contestant, mode, samples };
}

const timings = [
  // 10⁶ operations in 4 µs: 250 GFLOP/s.
  timing('roof', 1, 'loop', [4.5, 4]),
  timing('roof', 2, 'loop', [2]),
  timing('roof', 1, 'loop', [5]),
  timing('native', 1, 'run', [2200, 2000, 2100]),
  timing('torch', 1, 'eager', [5000, 4000]),
  timing('torch', 1, 'jit', [3900, 3600, 3700]),
  timing('torch', 2, 'eager', [3000, 9000]),
];

it('keeps the fastest sample of the best mode, a row for each engine and number of threads', () => {
  const rows = resultsOf('B', job, timings).map(({ row }) => row);
  const node = process.version;
  expect(rows).toEqual([
    { job: 'B', engine: 'native', threads: 1, node, microsecondsPerStep: 2000, gflops: 205.4 },
    { job: 'B', engine: 'torch', threads: 1, node, microsecondsPerStep: 3600, gflops: 114.1 },
    { job: 'B', engine: 'torch', threads: 2, node, microsecondsPerStep: 3000, gflops: 136.9 },
  ]);
});

it('puts ratios to the best of torch, and shares of the roof of as many threads', () => {
  const table = tableOf('B', job, resultsOf('B', job, timings), roofsOf(timings));
  expect(table.slice(2)).toEqual([
    '| engine | threads | mode | µs a step | median | torch ÷ this | GFLOP/s | of the roof |',
    '| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |',
    '| native | 1 | run | 2,000 | 2,100 | 1.5 | 205 | 82 % |',
    '| torch | 1 | jit | 3,600 | 3,700 | 0.833 | 114 | 46 % |',
    '| torch | 2 | eager | 3,000 | 9,000 | 1 | 137 | 27 % |',
    '',
  ]);
});

it('leaves out the ratios without torch, and the roof where it was not measured', () => {
  const [, , , native] = timings;
  const table = tableOf('B', job, resultsOf('B', job, native === undefined ? [] : [native]), new Map());
  expect(table[4]).toBe('| native | 1 | run | 2,000 | 2,100 | – | 205 |');
});
