import { createServer } from 'node:net';
import { afterAll, describe, expect, it } from 'vitest';
import { createDatabase, type Database } from '../../../src/db/client.ts';
import { isOutage } from '../../../src/db/outage.ts';

const portOf = (address: ReturnType<ReturnType<typeof createServer>['address']>): number =>
  typeof address === 'object' && address !== null ? address.port : 0;

/** Takes every connection and hangs up. */
const rude = createServer((socket) => socket.destroy());
/** Takes every connection and never says a word. */
const silent = createServer();
const listening = [rude, silent].map(
  (server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)),
);
afterAll(() => {
  rude.close();
  silent.close();
});

const asking: readonly [string, (db: Database) => Promise<unknown>][] = [
  ['a query', (db) => db.project.findFirst()],
  ['a statement', (db) => db.$queryRaw`SELECT 1`],
  ['a transaction', (db) => db.$transaction((tx) => tx.$queryRaw`SELECT 1`)],
];

describe('a database that', () => {
  it.each(asking)('refuses the connection is away for %s', async (_what, ask) => {
    await expectAway(1, ask);
  });

  it.each(asking)('hangs up is away for %s', async (_what, ask) => {
    await Promise.all(listening);
    await expectAway(portOf(rude.address()), ask);
  });

  it.concurrent.each(asking)('does not answer is away for %s', async (_what, ask) => {
    await Promise.all(listening);
    await expectAway(portOf(silent.address()), ask);
  });

  it('answers is not', () => {
    expect(isOutage(new Error('something else'))).toBe(false);
    expect(isOutage(Object.assign(new Error('a duplicate'), { code: 'P2002' }))).toBe(false);
    expect(isOutage(null)).toBe(false);
  });
});

async function expectAway(port: number, ask: (db: Database) => Promise<unknown>): Promise<void> {
  const db = createDatabase(`postgres://nobody:nothing@127.0.0.1:${port}/none`);
  try {
    const error: unknown = await ask(db).then(
      () => null,
      (failure: unknown) => failure,
    );
    expect(isOutage(error), String(error)).toBe(true);
  } finally {
    await db.$disconnect();
  }
}
