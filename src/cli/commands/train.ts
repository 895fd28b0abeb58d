import { basename } from 'node:path';
import type { Command } from 'commander';
import type { Api } from '../api.ts';
import { apiOf, type Context, jsonOption } from '../context.ts';
import { exitCodes, usageFailure } from '../failure.ts';
import { followRun } from '../follow.ts';
import { applyChanges, readBytes, readSpec } from '../spec-file.ts';
import type { Terminal } from '../terminal.ts';
import { safeText } from '../text.ts';

interface TrainOptions {
  data?: string;
  dataset?: string;
  name?: string;
  set?: string[];
  detach?: boolean;
  json?: boolean;
}

/** `trainyard train`: upload if asked to, submit, follow. */
export function addTrain(program: Command, context: Context): void {
  program
    .command('train')
    .summary('submit a run and follow it to its end')
    .description('Submits a run and follows it to its end.')
    .argument('<spec.json>', 'the run spec; `data.dataset` is filled in for you')
    .option('--data <file.csv>', 'upload this file as the dataset')
    .option('--dataset <id>', 'train on a dataset the service already has')
    .option('--name <name>', "the run's name")
    .option(
      '--set <path=value>',
      'change a field of the spec, like training.epochs=5; may be repeated',
      (change: string, changes: string[] = []) => [...changes, change],
    )
    .option('--detach', 'submit, print the run id, and leave')
    .addOption(jsonOption())
    .action(async (specPath: string, options: TrainOptions, command: Command) => {
      const { terminal } = context;
      const api = apiOf(command, context);
      const spec = applyChanges(readSpec(specPath), options.set ?? []);
      if (options.name !== undefined) spec.name = options.name;
      await fillDataset(spec, options, api, terminal);
      const run = await api.createRun(spec);
      if (options.detach) {
        terminal.write(options.json ? `${JSON.stringify(run)}\n` : `${run.id}\n`);
        return;
      }
      terminal.note(`Run ${run.id} (${safeText(run.name)})\n`);
      const { exitCode } = await followRun({ api, run, terminal, json: options.json ?? false });
      if (exitCode === exitCodes.succeeded && !options.json) {
        terminal.note(
          `\nNext: trainyard predict last --data rows.csv\n      trainyard weights last -o weights.safetensors\n`,
        );
      }
      context.exitCode = exitCode;
    });
}

async function fillDataset(
  spec: Record<string, unknown>,
  options: TrainOptions,
  api: Api,
  terminal: Terminal,
): Promise<void> {
  const { data, dataset } = options;
  if (data !== undefined && dataset !== undefined) throw usageFailure('Give --data or --dataset, not both.');
  const part = spec.data;
  if (typeof part !== 'object' || part === null) throw usageFailure('The spec has no `data` object.');
  if (data !== undefined) {
    const uploaded = await api.uploadDataset(new Uint8Array(readBytes(data)), basename(data));
    terminal.note(`Dataset ${uploaded.id} (${safeText(uploaded.name)}: ${uploaded.rowCount} rows, `);
    terminal.note(`${uploaded.columns.length} columns)\n`);
    Object.assign(part, { dataset: uploaded.id });
  } else if (dataset !== undefined) {
    Object.assign(part, { dataset });
  } else if (!('dataset' in part)) {
    throw usageFailure('Which data? Give --data <file.csv> or --dataset <id>.');
  }
}
