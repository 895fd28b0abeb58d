/** The benchmark's command line. A wrong option is refused with one line. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { type EngineName, engineNames, peerPackages } from './engines.ts';
import { type JobName, jobNames } from './jobs.ts';

export interface Options {
  readonly jobs: readonly JobName[];
  readonly engines: readonly EngineName[];
  readonly threads: readonly number[];
  readonly rounds: number;
  readonly seconds: number;
  readonly patience: number;
  readonly peers: string | null;
  readonly python: string;
  readonly out: string | null;
}

const help = `
Engines:
  native, wasm         the engine's own back ends
  torch, sklearn       peers of --python: Debian's python3-torch and
                       python3-sklearn; torch on two threads wants
                       libopenblas0-openmp
  jax-js, tfjs-wasm,   peers in --peers, a folder made by
  tfjs-cpu, brain.js     npm install --ignore-scripts \\
                         ${peerPackages.slice(0, 2).join(' ')} \\
                         ${peerPackages.slice(2).join(' ')}
An engine that is not installed, or cannot do a job, is named and left out.
Run it on an idle machine. A slice during which other processes took a tenth
of a processor is repeated while patience lasts; the table says when it did not.`;

const positive = (text: string): number => {
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) throw new InvalidArgumentError('A number above 0 is wanted.');
  return value;
};

const notNegative = (text: string): number => (text.trim() === '0' ? 0 : positive(text));

const positiveInteger = (text: string): number => {
  const value = positive(text);
  if (!Number.isInteger(value)) throw new InvalidArgumentError('A whole number is wanted.');
  return value;
};

/** Distinct words of a list, in the order of `known`. */
function chosen<T extends string>(words: readonly string[], known: readonly T[], what: string): T[] {
  const wrong = words.find((word) => !known.some((name) => name === word));
  if (wrong !== undefined || words.length === 0) {
    throw new InvalidArgumentError(`There is no ${what} "${wrong ?? ''}"; there are ${known.join(', ')}.`);
  }
  return known.filter((name) => words.includes(name));
}

const split = (text: string): string[] => text.split(',').map((word) => word.trim());

/** Throws commander's CommanderError on `--help` and on what is wrong, after writing the text. */
export function parseOptions(
  args: readonly string[],
  write: { out(text: string): void; error(text: string): void },
): Options {
  const command = new Command('npm run bench --')
    .description('Times training steps of the engine and of its peers on the same jobs, interleaved.')
    .addOption(
      new Option('--jobs <letters>', 'which jobs')
        .argParser((text) => chosen([...text], jobNames, 'job'))
        .default([...jobNames], jobNames.join('')),
    )
    .addOption(
      new Option('--engines <list>', 'which engines, with commas')
        .argParser((text) => chosen(split(text), engineNames, 'engine'))
        .default([...engineNames], 'all'),
    )
    .addOption(
      new Option('--threads <list>', 'numbers of threads, with commas')
        .argParser((text) => split(text).map(positiveInteger))
        .default([1, 2], '1,2'),
    )
    .option('--rounds <n>', 'slices of each engine and mode', positiveInteger, 5)
    .option('--seconds <s>', 'length of a slice', positive, 1)
    .option('--patience <s>', 'for repeating disturbed slices, a job', notNegative, 60)
    .option('--peers <folder>', 'where the JavaScript peers are installed')
    .option('--python <program>', "the Python peers' interpreter", '/usr/bin/python3')
    .option('--out <file>', 'write the results there as JSON')
    .helpOption('-h, --help', 'print this help')
    .addHelpText('after', help)
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeOut: write.out, writeErr: write.error, getOutHelpWidth: () => 80 });
  const parsed = command.parse([...args], { from: 'user' }).opts<Options>();
  return { ...parsed, peers: parsed.peers ?? null, out: parsed.out ?? null };
}
