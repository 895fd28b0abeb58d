import { renameSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { apiOf, type Context, runArgument } from '../context.ts';
import { CliFailure } from '../failure.ts';
import { formatBytes } from '../text.ts';

/** `trainyard weights`: the trained weights as a safetensors file. */
export function addWeights(program: Command, context: Context): void {
  program
    .command('weights')
    .summary("save a run's weights to a file")
    .description("Saves a run's weights as safetensors, the best ones if the run kept them.")
    .addArgument(runArgument())
    .requiredOption('-o, --output <file>', 'where to; `-` for standard output')
    .action(async (id: string, options: { output: string }, command: Command) => {
      const api = apiOf(command, context);
      const { bytes, sha256 } = await api.weights((await api.getRun(id)).id);
      if (options.output === '-') return context.terminal.writeBytes(bytes);
      saveWhole(options.output, bytes);
      const hash = sha256 === null ? '' : `\n  sha256 ${sha256}`;
      context.terminal.note(`Saved ${formatBytes(bytes.length)} to ${options.output}${hash}\n`);
    });
}

/** All or nothing: a half-written file never carries the final name. */
export function saveWhole(path: string, bytes: Uint8Array): void {
  try {
    writeFileSync(`${path}.part`, bytes);
    renameSync(`${path}.part`, path);
  } catch (error) {
    throw new CliFailure(`Cannot write ${path}: ${error instanceof Error ? error.message : error}`);
  }
}
