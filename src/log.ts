// One JSON line per event on stderr: stdout stays free for what a command answers.
import { type DestinationStream, destination, type Logger, pino } from 'pino';
import type { LogLevel } from './config.ts';

export type Log = Logger;

/** Paths whose values never reach a log. */
const secretPaths = [
  'authorization',
  'headers.authorization',
  'req.headers.authorization',
  'apiKey',
  'keySecret',
  'databaseUrl',
  'redisUrl',
  'config.apiKey',
  'config.keySecret',
  'config.databaseUrl',
  'config.redisUrl',
];

/** `name` says which process speaks: `api`, `worker`, `trainyard`. */
export function createLog(
  level: LogLevel,
  name: string,
  stream: DestinationStream = destination({ dest: 2, sync: true }),
): Log {
  return pino({ level, name, redact: { paths: secretPaths, censor: '[secret]' } }, stream);
}
