/** From timings to rows and a table: of each engine at each number of threads its best mode counts. */
import type { EngineName } from './engines.ts';
import { flopsPerStep, type Job, type JobName } from './jobs.ts';
import { roofOf } from './roof.ts';
import type { Timing } from './rounds.ts';

/** What `--out` writes, one for each job, engine and number of threads. */
export interface Row {
  readonly job: JobName;
  readonly engine: EngineName;
  readonly threads: number;
  /** Version of Node that the benchmark ran on. */
  readonly node: string;
  /** The fastest sample's. */
  readonly microsecondsPerStep: number;
  /** Of the matrix products, in 10⁹ operations a second. */
  readonly gflops: number;
}

export interface Result {
  readonly row: Row;
  readonly mode: string;
  readonly medianMicroseconds: number;
}

export function resultsOf(name: JobName, job: Job, timings: readonly Timing[]): Result[] {
  const best = new Map<string, Result>();
  for (const { contestant, mode, samples } of timings) {
    const { engine, threads } = contestant;
    if (engine === 'roof') continue;
    const sorted = [...samples].sort((a, b) => a - b);
    const [fastest] = sorted;
    const median = sorted[sorted.length >> 1];
    if (fastest === undefined || median === undefined) continue;
    const key = `${engine} ${threads}`;
    const held = best.get(key);
    if (held !== undefined && held.row.microsecondsPerStep <= fastest) continue;
    const gflops = flopsPerStep(job) / (fastest * 1000);
    const row: Row = {
      job: name,
      engine,
      threads,
      node: process.version,
      microsecondsPerStep: rounded(fastest),
      gflops: rounded(gflops),
    };
    best.set(key, { row, mode, medianMicroseconds: rounded(median) });
  }
  return [...best.values()];
}

const DIGITS = 4;
const rounded = (value: number): number => Number(value.toPrecision(DIGITS));

const shown = (value: number): string =>
  value.toLocaleString('en-US', { maximumSignificantDigits: value >= 1000 ? DIGITS : 3 });

/** GFLOP/s of the roof's fastest sample at each number of threads it was measured with. */
export function roofsOf(timings: readonly Timing[]): ReadonlyMap<number, number> {
  const roofs = new Map<number, number>();
  for (const { contestant, samples } of timings) {
    if (contestant.engine !== 'roof') continue;
    const gflops = rounded(roofOf(Math.min(...samples)));
    roofs.set(contestant.threads, Math.max(gflops, roofs.get(contestant.threads) ?? 0));
  }
  return roofs;
}

/** Lines of Markdown. */
export function tableOf(
  name: JobName,
  job: Job,
  results: readonly Result[],
  roofs: ReadonlyMap<number, number>,
): string[] {
  const torch = results.filter(({ row }) => row.engine === 'torch');
  const reference = Math.min(...torch.map(({ row }) => row.microsecondsPerStep));
  const head = ['engine', 'threads', 'mode', 'µs a step', 'median', 'torch ÷ this', 'GFLOP/s'];
  if (roofs.size > 0) head.push('of the roof');
  const lines = results.map(({ row, mode, medianMicroseconds }) => {
    const ratio = reference / row.microsecondsPerStep;
    const cells = [
      row.engine,
      String(row.threads),
      mode,
      shown(row.microsecondsPerStep),
      shown(medianMicroseconds),
      torch.length === 0 ? '–' : shown(ratio),
      shown(row.gflops),
    ];
    const roof = roofs.get(row.threads);
    if (roof !== undefined) cells.push(`${Math.round((row.gflops / roof) * 100)} %`);
    else if (roofs.size > 0) cells.push('–');
    return cells;
  });
  const mflops = shown(flopsPerStep(job) / 1e6);
  return [
    `**${name}** ${job.title} · ${mflops} MFLOP a step`,
    '',
    ...[head, head.map((_, i) => (i === 0 || i === 2 ? '---' : '---:')), ...lines].map(
      (cells) => `| ${cells.join(' | ')} |`,
    ),
    '',
  ];
}
