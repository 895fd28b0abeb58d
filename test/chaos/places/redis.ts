// A Redis server of an experiment's own, with its append-only file: it can be stopped, killed, emptied, filled and
// started again on the same port.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from '../../support/free-port.ts';
import { until } from '../until.ts';
import type { Processes, Started } from './processes.ts';

export interface RedisPlace {
  readonly port: number;
  readonly url: string;
  start(): Promise<void>;
  /** Shuts it down in an orderly way. */
  stop(): Promise<void>;
  kill(): Promise<void>;
  /** Deletes what it keeps on disk; only while it is down. */
  forget(): void;
  /** A command, over a connection of its own. */
  command(name: string, ...args: string[]): Promise<unknown>;
}

const readyMsMax = 20_000;

/** `address`: where it listens besides loopback. */
export async function openRedis(processes: Processes, folder: string, address?: string): Promise<RedisPlace> {
  const port = await freePort();
  const data = join(folder, `redis-${port}`);
  let server: Started | null = null;
  const command = async (name: string, ...args: string[]) => {
    const client = new Redis({
      port,
      host: '127.0.0.1',
      lazyConnect: true,
      enableOfflineQueue: false,
      retryStrategy: () => null,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return await client.call(name, ...args);
    } finally {
      client.disconnect();
    }
  };
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    command,
    start: async () => {
      mkdirSync(data, { recursive: true });
      const bind = ['127.0.0.1', ...(address === undefined ? [] : [address])];
      const flags = { port: [String(port)], bind, appendonly: ['yes'], save: [''], dir: [data] };
      const args = Object.entries({ ...flags, 'protected-mode': ['no'] }).flatMap(([name, values]) => [
        `--${name}`,
        ...values,
      ]);
      server = processes.start('redis', 'redis-server', args, process.env);
      const answers = () =>
        command('PING').then(
          () => true,
          () => false,
        );
      await until(answers, 'Redis to answer', readyMsMax);
    },
    stop: async () => {
      await server?.stop();
    },
    kill: async () => {
      await server?.kill();
    },
    forget: () => rmSync(data, { recursive: true, force: true }),
  };
}
