// What the API's and the worker's processes have in common: settings, the log, one clear line when the start
// fails, an end within 30 s on a signal, on an error nobody caught, or when the supervisor is gone.
import closeWithGrace from 'close-with-grace';
import { type Config, ConfigError, loadConfig } from './config.ts';
import { armFailpoints } from './failpoints.ts';
import { createLog, type Log } from './log.ts';

export interface Service {
  /** Where it listens, if it does. */
  readonly url?: string;
  /** Finishes or saves what is under way and lets go of everything. */
  close(): Promise<void>;
}

/** Sent to the parent over Node's IPC channel, where there is one, once the service does its work. */
export interface ReadyMessage {
  readonly ready: true;
  readonly url: string | null;
}

const closeMsMax = 25_000;

/** Runs one service until it is told to end; then the process exits. */
export async function runService(
  name: 'api' | 'worker',
  start: (config: Config, log: Log) => Promise<Service>,
): Promise<void> {
  const config = readConfig(name);
  armFailpoints(config.failpoints);
  const log = createLog(config.logLevel, name);
  const starting = start(config, log);
  let closing: Promise<void> | null = null;
  const end = closeWithGrace({ delay: closeMsMax, logger: log }, async ({ err, signal }) => {
    if (err !== undefined) {
      log.fatal({ err }, 'an error nobody caught');
    }
    log.info({ signal }, 'stopping');
    // A signal and the supervisor's end may both come: it is one and the same close they wait for.
    closing ??= starting.then((started) => started.close());
    await closing;
  });
  // The supervisor was killed: nobody would restart or stop this process, and it must not stay for ever.
  process.once('disconnect', () => end.close());
  const service = await starting.catch((error: unknown) => fail(name, describe(error)));
  const message: ReadyMessage = { ready: true, url: service.url ?? null };
  if (process.send !== undefined) {
    process.send(message);
  } else {
    process.stdout.write(
      `Trainyard ${name} ${service.url === undefined ? 'is ready' : `listens on ${service.url}`}\n`,
    );
  }
}

function readConfig(name: string): Config {
  try {
    return loadConfig(process.env);
  } catch (error) {
    return fail(name, error instanceof ConfigError ? error.message : describe(error));
  }
}

function fail(name: string, text: string): never {
  const lines = text.split('\n').map((line) => `trainyard ${name}: ${line}\n`);
  process.stderr.write(lines.join(''));
  process.exit(1);
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  // A refused connection is an AggregateError without a text: one part for each address tried.
  const parts = error instanceof AggregateError ? error.errors.map(describe) : [];
  return error.message || [...new Set(parts)].join('; ') || error.name;
}
