/** The command line. A wrong option is refused with one line. */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Mode } from './experiment.ts';
import { experimentIds } from './experiments/registry.ts';
import type { QueueName } from './world.ts';

export interface Experiments {
  readonly kind: 'experiments';
  readonly mode: Mode;
  readonly only: readonly string[];
  readonly queues: readonly QueueName[];
  readonly out: string | null;
}

export interface Soak {
  readonly kind: 'soak';
  readonly minutes: number;
  readonly seed: number;
  readonly queue: QueueName;
  readonly out: string | null;
}

export type Options = Experiments | Soak;

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

function numberFrom(from: number, to: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (!/^\d+$/.test(text) || number < from || number > to) {
      throw new InvalidArgumentError(`It should be a whole number from ${from} to ${to}.`);
    }
    return number;
  };
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
    .addOption(
      new Option('--soak <minutes>', 'instead: load, and a fault every 20 to 40 s, for so long')
        .argParser(numberFrom(1, 600))
        .conflicts(['quick', 'full', 'only']),
    )
    .addOption(
      new Option('--seed <number>', 'of the order of the faults of a soak (default: any)')
        .argParser(numberFrom(0, 2 ** 32 - 1))
        .conflicts(['quick', 'full', 'only']),
    )
    .addOption(
      new Option('--queue <name>', 'on one queue only; a soak is on redis unless told').choices(queueNames),
    )
    .option('--out <file>', 'write the results there as JSON')
    .helpOption('-h, --help', 'print this help')
    .addHelpText(
      'after',
      '\nThe table goes to standard output, the progress to standard error. Wants redis-server;\n' +
        'the exit code is 0 when nothing was violated, every recovery was quick enough, and no process\n' +
        'of a soak of half an hour or more grew by more than 5 MB an hour. Ctrl-C ends a soak early.',
    )
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeOut: write.out, writeErr: write.error, getOutHelpWidth: () => 80 });
  const { quick, full, only, soak, seed, queue, out } = command.parse([...args], { from: 'user' }).opts<{
    quick?: true;
    full?: true;
    only: string[];
    soak?: number;
    seed?: number;
    queue?: QueueName;
    out?: string;
  }>();
  if (soak !== undefined) {
    const chosen = seed ?? Math.floor(Math.random() * 2 ** 32);
    return { kind: 'soak', minutes: soak, seed: chosen, queue: queue ?? 'redis', out: out ?? null };
  }
  if (quick === undefined && full === undefined)
    command.error('error: --quick, --full or --soak is wanted', { exitCode: 2 });
  return {
    kind: 'experiments',
    mode: full === true ? 'full' : 'quick',
    only,
    queues: queue === undefined ? queueNames : [queue],
    out: out ?? null,
  };
}
