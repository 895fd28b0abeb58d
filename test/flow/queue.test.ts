import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../src/log.ts';
import { createTicketQueue } from '../../src/queue/queue.ts';
import { openProxy } from '../chaos/places/proxy.ts';
import { freePort } from '../support/free-port.ts';
import { emptyDatabase, until } from './support/lifecycle.ts';
import { itKeepsTheQueuePromises } from './support/ticket-queue-suite.ts';

const serverUrl = process.env.TEST_DATABASE_URL ?? '';
let database: Awaited<ReturnType<typeof emptyDatabase>>;

beforeAll(async () => {
  database = await emptyDatabase(serverUrl);
});
afterAll(() => database.drop());

describe('the ticket queue on Postgres', () => {
  itKeepsTheQueuePromises(() => ({ databaseUrl: database.url }));
});

it('outlives a line to Postgres that breaks while its tables are prepared', async () => {
  const own = await emptyDatabase(serverUrl);
  const server = new URL(own.url);
  const proxy = await openProxy(() => [Number(server.port)]);
  const through = new URL(own.url);
  through.port = String(proxy.port);
  const log = createLog('silent', 'test');
  const queue = createTicketQueue({ databaseUrl: through.href, prefix: 'broken', log });
  proxy.loseReplyTo('COMMIT');
  await expect(queue.send(randomUUID())).rejects.toThrow();
  expect(proxy.lost()).toBe(1);
  await until(
    () =>
      queue.send(randomUUID()).then(
        () => true,
        () => false,
      ),
    'a ticket to be taken',
  );
  expect(await queue.depth()).toBe(1);
  await queue.close();
  await proxy.close();
  await own.drop();
});

describe.each(['Postgres', 'Redis'])('a ticket queue whose %s never answers', (which) => {
  it('rejects a send and still closes', async () => {
    const port = await freePort();
    const queue = createTicketQueue({
      databaseUrl: `postgres://nobody@127.0.0.1:${port}/none`,
      redisUrl: which === 'Redis' ? `redis://127.0.0.1:${port}` : undefined,
      prefix: 'away',
      log: createLog('silent', 'test'),
    });
    const waiting = queue.receive(new AbortController().signal);
    await expect(queue.send(randomUUID())).rejects.toThrow();
    await queue.close();
    expect(await waiting).toBeNull();
  });
});
