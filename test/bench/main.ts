/** Entry of `npm run bench`: the table goes to standard output, the progress to standard error. */
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { CommanderError } from 'commander';
import { type Contestant, openContestant } from './contestant.ts';
import { engines, roof } from './engines.ts';
import { type JobName, readJobs } from './jobs.ts';
import { FOREIGN_LOAD_MAX, neighbours } from './neighbours.ts';
import { type Options, parseOptions } from './options.ts';
import { type Contest, nameOf, runContest } from './rounds.ts';
import { type Row, resultsOf, roofsOf, tableOf } from './table.ts';

const processors = availableParallelism();
/** Shortest sample: about an epoch of the quickest peer. */
const GRAIN_SECONDS = 0.1;

const TOO_FEW = `there are ${processors} processors`;

const print = (line: string): boolean => process.stdout.write(`${line}\n`);
const report = (line: string): boolean => process.stderr.write(`${line}\n`);

async function openContestants(options: Options): Promise<Contestant[]> {
  const contestants: Contestant[] = [];
  const entries = [['roof', roof], ...options.engines.map((name) => [name, engines[name]] as const)] as const;
  for (const [engine, { threaded, command }] of entries) {
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
  const { rounds, seconds, patience } = options;
  const pace = { rounds, seconds, patience, grain: GRAIN_SECONDS };
  const contests: { name: JobName; contest: Contest }[] = [];
  try {
    for (const name of options.jobs) {
      contests.push({ name, contest: await runContest(name, contestants, { pace, neighbours, report }) });
    }
  } finally {
    for (const contestant of contestants) contestant.close();
  }
  const roofs = roofsOf(contests.flatMap(({ contest }) => contest.timings));
  const rows: Row[] = [];
  for (const { name, contest } of contests) {
    const results = resultsOf(name, jobs[name], contest.timings);
    rows.push(...results.map(({ row }) => row));
    for (const line of tableOf(name, jobs[name], results, roofs)) print(line);
    if (contest.foreignLoad > FOREIGN_LOAD_MAX) {
      const share = Math.round(contest.foreignLoad * 100);
      print(`Other processes took ${share} % of a processor meanwhile: the figures are blurred.\n`);
    }
  }
  for (const line of notesOf(contestants, roofs)) print(`- ${line}`);
  if (options.out !== null) writeFileSync(options.out, `${JSON.stringify(rows, null, 2)}\n`);
}

function notesOf(contestants: readonly Contestant[], roofs: ReadonlyMap<number, number>): string[] {
  const machine = `${cpus()[0]?.model ?? 'unknown processor'}, ${processors} processors, Node ${process.version}`;
  const versions = contestants.map((contestant) => {
    const roof = contestant.engine === 'roof' ? roofs.get(contestant.threads) : undefined;
    const measured = roof === undefined ? [] : [`${roof} GFLOP/s`];
    return [`${nameOf(contestant)}: ${contestant.version}`, ...measured, ...contestant.notes].join(', ');
  });
  return [`${machine}, ${new Date().toISOString().slice(0, 10)}`, ...versions];
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
