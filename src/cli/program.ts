// The `trainyard` command put together: commands, help that fits 80 columns, usage errors as exit code 2.
import { Command, CommanderError } from 'commander';
import { addControls } from './commands/controls.ts';
import { addLogs } from './commands/logs.ts';
import { addPredict } from './commands/predict.ts';
import { addRuns } from './commands/runs.ts';
import { addShow } from './commands/show.ts';
import { addTrain } from './commands/train.ts';
import { addUp } from './commands/up.ts';
import { addVerify } from './commands/verify.ts';
import { addWeights } from './commands/weights.ts';
import type { Context } from './context.ts';
import { CliFailure, type ExitCode, exitCodes } from './failure.ts';

const afterHelp = `
Environment:
  TRAINYARD_URL      the service's address; default: the service running on the
                     data folder, else http://127.0.0.1:8080
  TRAINYARD_API_KEY  the key (or API_KEY); default: \`admin-key\` in the data
                     folder, for a service on this machine
  DATA_DIR           the data folder; default: .trainyard

Exit codes:
  0 succeeded   1 failed, cancelled or diverged; verify: differs   2 wrong usage
  130 stopped watching before the end`;

/** Runs one command line (without `node` and the script) and gives its exit code. */
export async function runProgram(
  args: readonly string[],
  context: Context,
  version: string,
): Promise<ExitCode> {
  const { terminal } = context;
  const program = new Command('trainyard')
    .description('Train neural networks on your own machines: submit, follow, predict.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help, or that of a command')
    .helpCommand(false)
    .option('--url <url>', "the service's address (see Environment)")
    .addHelpText('after', afterHelp)
    .showHelpAfterError('See `trainyard --help`.')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.write(text),
      writeErr: (text) => terminal.note(text),
      getOutHelpWidth: () => Math.min(terminal.columns, 80),
      getErrHelpWidth: () => Math.min(terminal.columns, 80),
    });
  for (const add of [
    ...[addUp, addTrain, addRuns, addShow, addLogs, addControls],
    ...[addPredict, addWeights, addVerify],
  ]) {
    add(program, context);
  }
  if (args.length === 0) {
    program.outputHelp();
    return exitCodes.usage;
  }
  try {
    await program.parseAsync(args, { from: 'user' });
    return context.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.succeeded : exitCodes.usage;
    if (error instanceof CliFailure) {
      terminal.note(`${error.message}\n`);
      return error.exitCode;
    }
    throw error;
  }
}
