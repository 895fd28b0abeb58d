import type { Command } from 'commander';
import { apiOf, type Context, jsonOption, runArgument } from '../context.ts';
import { followRun } from '../follow.ts';
import { renderRow } from '../progress.ts';
import { isFinal } from '../report.ts';
import { epochEventSchema } from '../wire.ts';

/** `trainyard logs`: what the run has reported so far, or live. */
export function addLogs(program: Command, context: Context): void {
  program
    .command('logs')
    .summary("print a run's epochs; --follow stays with it")
    .description("Prints a run's epochs so far; with --follow, goes on to the end of the run.")
    .addArgument(runArgument())
    .option('-f, --follow', 'stay until the run has ended')
    .addOption(jsonOption())
    .action(async (id: string, options: { follow?: boolean; json?: boolean }, command: Command) => {
      const { terminal } = context;
      const api = apiOf(command, context);
      const run = await api.getRun(id);
      if (options.follow && !isFinal(run.status)) {
        context.exitCode = (await followRun({ api, run, terminal, json: options.json ?? false })).exitCode;
        return;
      }
      let hasHead = false;
      for (const event of await api.pastEvents(run.id)) {
        if (options.json) terminal.write(`${JSON.stringify(event)}\n`);
        const epoch = event.type === 'epoch' ? epochEventSchema.safeParse(event.data).data : undefined;
        if (options.json || !epoch) continue;
        const { head, row } = renderRow(epoch, null);
        terminal.write(hasHead ? `${row}\n` : `${head}\n${row}\n`);
        hasHead = true;
      }
      if (!hasHead && !options.json) terminal.note('No epoch has been stored yet.\n');
    });
}
