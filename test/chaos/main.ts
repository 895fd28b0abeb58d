/** Entry of `npm run chaos`. */
import { writeFileSync } from 'node:fs';
import { CommanderError } from 'commander';
import { type Job, runJobs } from './driver.ts';
import { experiments } from './experiments/registry.ts';
import { openGround } from './ground.ts';
import { type Options, parseOptions } from './options.ts';
import { rowPasses, tableOf } from './report.ts';

const startedAt = performance.now();
const print = (line: string): boolean => process.stdout.write(`${line}\n`);
const say = (line: string): void => {
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  process.stderr.write(`${String(seconds).padStart(5)} s  ${line}\n`);
};

function jobsOf({ only, queues }: Options): Job[] {
  return experiments
    .filter(({ id }) => only.includes(id))
    .flatMap((experiment) =>
      queues.filter((queue) => experiment.queues.includes(queue)).map((queue) => ({ experiment, queue })),
    );
}

/** True when all went well. */
async function chaos(options: Options): Promise<boolean> {
  const opened = openGround(say);
  let interrupted = false;
  const interrupt = () => {
    if (interrupted) return;
    interrupted = true;
    say('interrupted; cleaning up');
    void opened.close().then(() => process.exit(130));
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  try {
    const rows = await runJobs(await opened.ground, jobsOf(options), { mode: options.mode, say });
    for (const line of tableOf(rows)) print(line);
    const judged = rows.map((row) => ({ ...row, passed: rowPasses(row) }));
    if (options.out !== null) writeFileSync(options.out, `${JSON.stringify(judged, null, 2)}\n`);
    return rows.every(rowPasses);
  } finally {
    if (!interrupted) await opened.close();
  }
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
