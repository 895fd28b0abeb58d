// Runs where redis-server is installed. The gate for every new version of BullMQ: the same process must be
// served again after an outage, by its own means.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../src/log.ts';
import { createTicketQueue } from '../../src/queue/queue.ts';
import { until } from '../flow/support/lifecycle.ts';
import { itKeepsTheQueuePromises } from '../flow/support/ticket-queue-suite.ts';
import { freePort } from '../support/free-port.ts';

let server: ChildProcess;
let port: number;

function startRedis(): ChildProcess {
  return spawn(
    'redis-server',
    ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', '/tmp'],
    {
      stdio: 'ignore',
    },
  );
}

async function stopRedis(signal: NodeJS.Signals): Promise<void> {
  await new Promise((resolve) => {
    server.once('exit', resolve);
    server.kill(signal);
  });
}

beforeAll(async () => {
  port = await freePort();
  server = startRedis();
});
afterAll(() => stopRedis('SIGKILL'));

const place = () => ({ redisUrl: `redis://127.0.0.1:${port}`, databaseUrl: 'postgres://unused/unused' });

describe('the ticket queue on Redis', () => {
  itKeepsTheQueuePromises(place);

  it('serves the same process again after Redis was killed, stayed away and came back empty', async () => {
    const queue = createTicketQueue({ ...place(), prefix: 'outage', log: createLog('silent', 'test') });
    try {
      const signal = new AbortController().signal;
      const before = randomUUID();
      await queue.send(before);
      expect(await queue.receive(signal)).toBe(before);

      const receiving = queue.receive(signal);
      await stopRedis('SIGKILL');
      await expect(queue.send(randomUUID())).rejects.toThrow();
      await expect(queue.send(randomUUID())).rejects.toThrow();
      server = startRedis();

      const after = randomUUID();
      await until(
        () =>
          queue.send(after).then(
            () => true,
            () => false,
          ),
        'a send to succeed',
      );
      // A send that was given up may have got through in the end.
      let received = await receiving;
      while (received !== after) {
        expect(received).not.toBeNull();
        received = await queue.receive(signal);
      }
    } finally {
      await queue.close();
    }
  });
});
