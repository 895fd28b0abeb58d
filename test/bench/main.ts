/** Entry of `npm run bench`: the table goes to standard output, the progress to standard error. */
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { CommanderError } from 'commander';
import { type Contestant, openContestant } from './contestant.ts';
import { engines } from './engines.ts';
import { readJobs } from './jobs.ts';
import { type Options, parseOptions } from './options.ts';
import { nameOf, runContest } from './rounds.ts';
import { type Row, resultsOf, tableOf } from './table.ts';

const processors = availableParallelism();
/** Shortest sample: about an epoch of the quickest peer. */
const GRAIN_SECONDS = 0.1;
/** Of a processor; more than this blurs the figures. */
const FOREIGN_LOAD_MAX = 0.1;

const TOO_FEW = `there are ${processors} processors`;

const print = (line: string): boolean => process.stdout.write(`${line}\n`);
const report = (line: string): boolean => process.stderr.write(`${line}\n`);

async function openContestants(options: Options): Promise<Contestant[]> {
  const contestants: Contestant[] = [];
  for (const engine of options.engines) {
    const { threaded, command } = engines[engine];
    for (const threads of threaded ? options.threads : [1]) {
      const launch = threads > processors ? TOO_FEW : command({ ...options, threads });
      const opened = typeof launch === 'string' ? launch : await openContestant(engine, threads, launch);
      if (typeof opened === 'string') report(`${nameOf({ engine, threads })} left out: ${opened}`);
      else contestants.push(opened);
    }
  }
  return contestants;
}

async function bench(options: Options): Promise<void> {
  const jobs = readJobs();
  const contestants = await openContestants(options);
  const rows: Row[] = [];
  const pace = { rounds: options.rounds, seconds: options.seconds, grain: GRAIN_SECONDS };
  try {
    for (const name of options.jobs) {
      const { timings, foreignLoad } = await runContest(name, contestants, pace, report);
      const results = resultsOf(name, jobs[name], timings);
      rows.push(...results.map(({ row }) => row));
      for (const line of tableOf(name, jobs[name], results, null)) print(line);
      if (foreignLoad > FOREIGN_LOAD_MAX) {
        const share = Math.round(foreignLoad * 100);
        print(`Other processes took ${share} % of a processor meanwhile: the figures are blurred.\n`);
      }
    }
  } finally {
    for (const contestant of contestants) contestant.close();
  }
  for (const line of notesOf(contestants)) print(`- ${line}`);
  if (options.out !== null) writeFileSync(options.out, `${JSON.stringify(rows, null, 2)}\n`);
}

function notesOf(contestants: readonly Contestant[]): string[] {
  const machine = `${cpus()[0]?.model ?? 'unknown processor'}, ${processors} processors, Node ${process.version}`;
  const peers = contestants.map((contestant) =>
    [`${nameOf(contestant)}: ${contestant.version}`, ...contestant.notes].join(', '),
  );
  return [machine, ...peers];
}

try {
  const options = parseOptions(process.argv.slice(2), {
    out: (text) => process.stdout.write(text),
    error: (text) => process.stderr.write(text),
  });
  await bench(options);
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
