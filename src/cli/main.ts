#!/usr/bin/env node
import { packageVersion } from '../package-root.ts';
// Entry of the `trainyard` command.
import { exitCodes } from './failure.ts';
import { runProgram } from './program.ts';
import { processTerminal } from './terminal.ts';

// A reader that leaves early, like `head`, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

const context = { terminal: processTerminal(process.env), env: process.env, exitCode: exitCodes.succeeded };
process.exit(await runProgram(process.argv.slice(2), context, packageVersion()));
