// What every command is handed: the terminal, the environment, a way to the service, and a place
// for the exit code.
import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import { type Environment, resolveAddress } from './address.ts';
import { type Api, createApi } from './api.ts';
import type { ExitCode } from './failure.ts';
import type { Terminal } from './terminal.ts';

export interface Context {
  readonly terminal: Terminal;
  readonly env: Environment;
  exitCode: ExitCode;
}

/** The service that the command's `--url` and the environment point at. */
export function apiOf(command: Command, context: Context): Api {
  const { url } = command.optsWithGlobals<{ url?: string }>();
  return createApi(resolveAddress(url, context.env));
}

export function runArgument(): Argument {
  return new Argument('<run>', "the run's id, or `last` for the newest run");
}

export function jsonOption(): Option {
  return new Option('--json', 'print JSON for programs');
}

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || !Number.isSafeInteger(value)) {
    throw new InvalidArgumentError('It should be a whole number from 1.');
  }
  return value;
}
