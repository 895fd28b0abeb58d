import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Api } from '../api.ts';
import { apiOf, type Context, jsonOption, runArgument, wholeNumber } from '../context.ts';
import { CliFailure, exitCodes } from '../failure.ts';
import { createSteps } from '../steps.ts';
import { safeText } from '../text.ts';
import type { WireRun, WireVerification } from '../wire.ts';

interface VerifyOptions {
  from?: number;
  to?: number;
  json?: boolean;
}

const pollMs = 200;

/** `trainyard verify`: has a run trained again and says whether every bit is the same. */
export function addVerify(program: Command, context: Context): void {
  program
    .command('verify')
    .summary('train a run again and compare every bit')
    .description(
      'Has an ended run trained again, compares the weights after each epoch with those\n' +
        'stored, and prints the verdict. Leaves with 0 when all are equal, else with 1.',
    )
    .addArgument(runArgument())
    .option('--from <epoch>', 'the first epoch to compare; default: 1', wholeNumber)
    .option('--to <epoch>', 'the last one; default: the last stored, and the model', wholeNumber)
    .addOption(jsonOption())
    .action(async (id: string, { from, to, json }: VerifyOptions, command: Command) => {
      const { terminal } = context;
      const api = apiOf(command, context);
      const run = await api.getRun(id);
      const range = {
        ...(from !== undefined && { fromEpoch: from }),
        ...(to !== undefined && { toEpoch: to }),
      };
      const text = `Verifying ${safeText(run.name)}`;
      const done = await createSteps(terminal).run(text, () => verdictOf(api, run, range));
      terminal.write(json ? `${JSON.stringify(done)}\n` : `${verdictLine(run, done)}\n`);
      context.exitCode = done.verdict === 'equal' ? exitCodes.succeeded : exitCodes.failed;
    });
}

async function verdictOf(api: Api, run: WireRun, range: object): Promise<WireVerification> {
  let verification = await api.verifyRun(run.id, range);
  while (verification.status === 'queued' || verification.status === 'running') {
    await wait(pollMs);
    verification = await api.getVerification(run.id, verification.id);
  }
  if (verification.status !== 'done') {
    throw new CliFailure(`There is no verdict: ${safeText(verification.detail ?? verification.status)}`);
  }
  return verification;
}

function verdictLine({ name }: WireRun, { verdict, firstDifferentEpoch, detail }: WireVerification): string {
  const where = firstDifferentEpoch === null ? '' : ` at epoch ${firstDifferentEpoch}`;
  return `${safeText(name)}: ${safeText(verdict ?? '')}${where}. ${safeText(detail ?? '')}`;
}
