import type { Command } from 'commander';
import { apiOf, type Context, jsonOption, runArgument } from '../context.ts';
import { runLines } from '../report.ts';

/** `trainyard show`: one run with its results. */
export function addShow(program: Command, context: Context): void {
  program
    .command('show')
    .summary('show one run and its results')
    .description('Shows one run: status, final numbers for each part, confusion matrix.')
    .addArgument(runArgument())
    .addOption(jsonOption())
    .action(async (id: string, options: { json?: boolean }, command: Command) => {
      const { terminal } = context;
      const run = await apiOf(command, context).getRun(id);
      terminal.write(`${options.json ? JSON.stringify(run) : runLines(run, terminal.columns).join('\n')}\n`);
    });
}
