/** The command line. A wrong option is refused with one line. */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Mode } from './experiment.ts';
import { experimentIds } from './experiments/registry.ts';
import type { QueueName } from './world.ts';

export interface Options {
  readonly mode: Mode;
  readonly only: readonly string[];
  readonly queues: readonly QueueName[];
  readonly out: string | null;
}

const queueNames = ['redis', 'postgres'] as const;

function chosenIds(text: string): string[] {
  const wanted = text.split(',').map((word) => word.trim().toUpperCase());
  const wrong = wanted.find((id) => !experimentIds.includes(id));
  if (wrong !== undefined) {
    throw new InvalidArgumentError(
      `There is no experiment "${wrong}"; there are ${experimentIds.join(', ')}.`,
    );
  }
  return experimentIds.filter((id) => wanted.includes(id));
}

/** Throws commander's CommanderError on `--help` and on what is wrong, after writing the text. */
export function parseOptions(
  args: readonly string[],
  write: { out(text: string): void; error(text: string): void },
): Options {
  const command = new Command('npm run chaos --')
    .description('Breaks the service in every way it has to survive, and checks what became of the runs.')
    .addOption(new Option('--quick', 'a few repetitions each, some minutes').conflicts('full'))
    .addOption(new Option('--full', 'all repetitions, an hour or two'))
    .addOption(
      new Option('--only <ids>', 'which experiments, with commas')
        .argParser(chosenIds)
        .default(experimentIds, 'all'),
    )
    .addOption(new Option('--queue <name>', 'on one queue only').choices(queueNames))
    .option('--out <file>', 'write the results there as JSON')
    .helpOption('-h, --help', 'print this help')
    .addHelpText(
      'after',
      '\nThe table goes to standard output, the progress to standard error. Wants redis-server;\n' +
        'the exit code is 0 when nothing was violated and every recovery was quick enough.',
    )
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeOut: write.out, writeErr: write.error, getOutHelpWidth: () => 80 });
  const { quick, full, only, queue, out } = command.parse([...args], { from: 'user' }).opts<{
    quick?: true;
    full?: true;
    only: string[];
    queue?: QueueName;
    out?: string;
  }>();
  if (quick === undefined && full === undefined)
    command.error('error: --quick or --full is wanted', { exitCode: 2 });
  return {
    mode: full === true ? 'full' : 'quick',
    only,
    queues: queue === undefined ? queueNames : [queue],
    out: out ?? null,
  };
}
