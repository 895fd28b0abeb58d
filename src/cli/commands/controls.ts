import type { Command } from 'commander';
import type { ControlAction } from '../api.ts';
import { apiOf, type Context, runArgument } from '../context.ts';
import { describeStatus } from '../report.ts';
import { safeText } from '../text.ts';

interface Control {
  readonly action: ControlAction;
  readonly summary: string;
  readonly description: string;
}

const controls: readonly Control[] = [
  {
    action: 'cancel',
    summary: 'stop a run',
    description: 'Stops a run that waits or trains. The epochs stored so far stay readable.',
  },
  {
    action: 'pause',
    summary: 'let a run rest',
    description: 'Stores the state of a run and gives its worker back. `resume` lets it go on.',
  },
  {
    action: 'resume',
    summary: 'let a paused run go on',
    description: 'Queues a paused run again. It ends with the same weights as without a pause.',
  },
];

/** `trainyard cancel`, `pause` and `resume`: what can be asked of a run. */
export function addControls(program: Command, context: Context): void {
  for (const { action, summary, description } of controls) {
    program
      .command(action)
      .summary(summary)
      .description(description)
      .addArgument(runArgument())
      .action(async (id: string, _options: unknown, command: Command) => {
        const api = apiOf(command, context);
        const run = await api.controlRun((await api.getRun(id)).id, action);
        context.terminal.write(`${safeText(run.name)}: ${describeStatus(run)}\n`);
      });
  }
}
