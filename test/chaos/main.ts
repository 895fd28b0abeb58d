/** Entry of `npm run chaos`. */
import { writeFileSync } from 'node:fs';
import { CommanderError } from 'commander';
import { type Job, runJobs } from './driver.ts';
import { experiments } from './experiments/registry.ts';
import { type Ground, openGround } from './ground.ts';
import { type Experiments, type Options, parseOptions, type Soak } from './options.ts';
import { rowPasses, tableOf } from './report.ts';
import { growthVerdict, soakPasses, soakTables } from './soak/report.ts';
import { soak } from './soak/soak.ts';

const startedAt = performance.now();
const print = (line: string): boolean => process.stdout.write(`${line}\n`);
const say = (line: string): void => {
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  process.stderr.write(`${String(seconds).padStart(5)} s  ${line}\n`);
};

/** A terminal and what stands between may both tell of the same Ctrl-C. */
const sameSignalMs = 1_000;

function jobsOf({ only, queues }: Experiments): Job[] {
  return experiments
    .filter(({ id }) => only.includes(id))
    .flatMap((experiment) =>
      queues.filter((queue) => experiment.queues.includes(queue)).map((queue) => ({ experiment, queue })),
    );
}

/** True when all went well. */
async function chaos(options: Options): Promise<boolean> {
  const opened = openGround(say);
  const early = new AbortController();
  let interrupted = false;
  let soaking = false;
  let insistedAt = 0;
  const interrupt = () => {
    if (soaking && performance.now() < insistedAt) return;
    if (soaking && !early.signal.aborted) {
      say('ends early and checks; once more to leave everything');
      insistedAt = performance.now() + sameSignalMs;
      early.abort();
      return;
    }
    if (interrupted) return;
    interrupted = true;
    say('interrupted; cleaning up');
    void opened.close().then(() => process.exit(130));
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  try {
    const ground = await opened.ground;
    if (options.kind === 'experiments') return await experiment(ground, options);
    soaking = true;
    return await soakThrough(ground, options, early.signal);
  } finally {
    if (!interrupted) await opened.close();
  }
}

async function experiment(ground: Ground, options: Experiments): Promise<boolean> {
  const rows = await runJobs(ground, jobsOf(options), { mode: options.mode, say });
  for (const line of tableOf(rows)) print(line);
  const judged = rows.map((row) => ({ ...row, passed: rowPasses(row) }));
  if (options.out !== null) writeFileSync(options.out, `${JSON.stringify(judged, null, 2)}\n`);
  return rows.every(rowPasses);
}

async function soakThrough(ground: Ground, options: Soak, stop: AbortSignal): Promise<boolean> {
  const report = await soak(ground, { ...options, say, stop });
  for (const line of soakTables(report)) print(line);
  const { seconds } = report;
  const memory = report.memory.map((row) => ({ ...row, verdict: growthVerdict(row, seconds) }));
  const judged = { ...report, memory, passed: soakPasses(report) };
  if (options.out !== null) writeFileSync(options.out, `${JSON.stringify(judged, null, 2)}\n`);
  return soakPasses(report);
}

try {
  const options = parseOptions(process.argv.slice(2), {
    out: (text) => process.stdout.write(text),
    error: (text) => process.stderr.write(text),
  });
  process.exit((await chaos(options)) ? 0 : 1);
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
