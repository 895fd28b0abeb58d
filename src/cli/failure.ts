// A failure a person can act on: its message is all they see, never a stack.

export const exitCodes = { succeeded: 0, failed: 1, usage: 2, stoppedWatching: 130 } as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export class CliFailure extends Error {
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode = exitCodes.failed) {
    super(message);
    this.name = 'CliFailure';
    this.exitCode = exitCode;
  }
}

/** A mistake in how the command was called. */
export function usageFailure(message: string): CliFailure {
  return new CliFailure(message, exitCodes.usage);
}
