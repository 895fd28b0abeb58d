import { join } from 'node:path';
import type { Command } from 'commander';
import { type Config, ConfigError, loadConfig } from '../../config.ts';
import { createLog } from '../../log.ts';
import type { Context } from '../context.ts';
import { CliFailure, usageFailure } from '../failure.ts';
import { isPortFree } from '../port.ts';
import { noteService, readServiceFile } from '../service-file.ts';
import type { Terminal } from '../terminal.ts';
import { shortPath } from '../text.ts';

/** `trainyard up`: API, worker and, without DATABASE_URL, a Postgres, until Ctrl-C. */
export function addUp(program: Command, context: Context): void {
  program
    .command('up')
    .summary('start the service: API, worker, and a Postgres if none is given')
    .description(
      'Starts the service: API, worker, and a Postgres in the data folder unless ' +
        'DATABASE_URL names one. Runs until Ctrl-C.',
    )
    .option('--port <port>', 'where the API listens; 0 for any free port (or PORT)')
    .option('--data-dir <folder>', 'the data folder (or DATA_DIR)')
    .action(async (options: { port?: string; dataDir?: string }) => {
      const { terminal, env } = context;
      const config = readConfig({
        ...env,
        ...(options.port === undefined ? {} : { PORT: options.port }),
        ...(options.dataDir === undefined ? {} : { DATA_DIR: options.dataDir }),
        // A person at the terminal wants to see what happens, not every request.
        ...(terminal.live && !env.LOG_LEVEL ? { LOG_LEVEL: 'warn' } : {}),
      });
      const running = readServiceFile(config.dataDir);
      if (running)
        throw new CliFailure(`A service already runs on ${shortPath(config.dataDir)}: ${running.url}`);
      if (!(await isPortFree(config.host, config.port))) {
        throw new CliFailure(
          `Port ${config.port} is taken. Choose another with --port, or 0 for any free one.`,
        );
      }
      await serve(config, terminal);
    });
}

async function serve(config: Config, terminal: Terminal): Promise<void> {
  let letGo = () => {};
  const interrupted = new Promise<void>((resolve) => {
    letGo = terminal.onInterrupt(resolve);
  });
  terminal.note('Starting; the first start of a data folder takes a few seconds longer.\n');
  // Loaded here only: every other command starts faster without the database and the queue.
  const { startService } = await import('../../supervisor.ts');
  const log = createLog(config.logLevel, 'trainyard');
  const service = await startService(config, { log }).catch((error: unknown) => {
    throw new CliFailure(`It could not start: ${error instanceof Error ? error.message : error}`);
  });
  const forget = noteService(config.dataDir, service.url);
  terminal.note(
    [
      `Trainyard listens on ${service.url}`,
      `  API reference  ${service.url}/docs`,
      `  admin key      ${shortPath(join(config.dataDir, 'admin-key'))}`,
      'Ctrl-C stops it. To train something, in another terminal in this folder:',
      '  npx trainyard train examples/iris.json --data examples/data/iris.csv',
      '',
    ].join('\n'),
  );
  await interrupted;
  terminal.note('\nStopping: running trainings are saved and go on at the next start.\n');
  await service.stop();
  forget();
  letGo();
}

/** The settings, or one clear line per bad value. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  try {
    return loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) throw usageFailure(error.message);
    throw error;
  }
}
