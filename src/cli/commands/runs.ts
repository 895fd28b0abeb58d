import type { Command } from 'commander';
import { apiOf, type Context, jsonOption, wholeNumber } from '../context.ts';
import { describeStatus } from '../report.ts';
import { fitText, formatTable, safeText } from '../text.ts';
import type { WireRun } from '../wire.ts';

/** `trainyard runs`: the newest runs, one per line. */
export function addRuns(program: Command, context: Context): void {
  program
    .command('runs')
    .summary('list runs, the newest first')
    .description('Lists runs, the newest first.')
    .option('--status <status>', 'only queued, running, paused, succeeded, failed or cancelled')
    .option('--limit <n>', 'at most this many', wholeNumber, 20)
    .addOption(jsonOption())
    .action(async (options: { status?: string; limit: number; json?: boolean }, command: Command) => {
      const { terminal } = context;
      const runs = await apiOf(command, context).listRuns(options);
      if (options.json) terminal.write(`${JSON.stringify(runs)}\n`);
      else if (runs.length > 0) terminal.write(`${runTable(runs).join('\n')}\n`);
      else
        terminal.note(options.status ? 'No such run.\n' : 'No runs yet. Start one with `trainyard train`.\n');
    });
}

// 36 + 20 + 9 + 10 and the gaps: fits 80 columns for the usual status.
function runTable(runs: readonly WireRun[]): string[] {
  const rows = runs.map((run) => [
    run.id,
    fitText(safeText(run.name), 18),
    `${run.epoch}/${run.epochs}`,
    fitText(describeStatus(run), 30),
  ]);
  return formatTable([['run', 'name', 'epoch', 'status'], ...rows], new Set([2]));
}
