import type { Command } from 'commander';
import { apiOf, type Context, runArgument } from '../context.ts';
import { describeStatus } from '../report.ts';
import { safeText } from '../text.ts';

/** `trainyard cancel`: asks the service to stop a run; what is stored stays. */
export function addCancel(program: Command, context: Context): void {
  program
    .command('cancel')
    .summary('stop a run')
    .description('Stops a run that waits or trains. The epochs stored so far stay readable.')
    .addArgument(runArgument())
    .action(async (id: string, _options: unknown, command: Command) => {
      const api = apiOf(command, context);
      const run = await api.cancelRun((await api.getRun(id)).id);
      context.terminal.write(`${safeText(run.name)}: ${describeStatus(run)}\n`);
    });
}
