import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tryAdvisoryLock, withAdvisoryLock } from '../../src/db/advisory-lock.ts';
import { listen } from '../../src/db/listen.ts';
import { emptyDatabase, until } from './support/lifecycle.ts';

let scratch: Awaited<ReturnType<typeof emptyDatabase>>;
let client: pg.Client;
beforeAll(async () => {
  scratch = await emptyDatabase(process.env.TEST_DATABASE_URL ?? '');
  client = new pg.Client({ connectionString: scratch.url });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await scratch.drop();
});

const notify = (channel: string, payload: string) =>
  client.query('SELECT pg_notify($1, $2)', [channel, payload]);
const countOthers = async () => {
  const where = 'datname = current_database() AND pid <> pg_backend_pid()';
  const { rows } = await client.query(`SELECT count(*)::int AS n FROM pg_stat_activity WHERE ${where}`);
  return rows[0].n as number;
};
const cutOthers = () =>
  client.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  );

describe('listen', () => {
  it('hears its channel and no other', async () => {
    const heard: string[] = [];
    const listener = await listen(
      scratch.url,
      'one',
      (payload) => heard.push(payload),
      () => undefined,
    );
    await notify('two', 'not for us');
    await notify('one', 'a');
    await notify('one', '');
    await until(() => heard.length >= 2, 'two notifications');
    expect(heard).toEqual(['a', '']);
    await listener.close();
    await until(async () => (await countOthers()) === 0, 'the end of its connection');
  });

  it('says when it is back after a break, and hears again, however often', async () => {
    const heard: string[] = [];
    let returns = 0;
    const listener = await listen(
      scratch.url,
      'one',
      (payload) => heard.push(payload),
      () => {
        returns++;
      },
    );
    for (const round of [1, 2, 3]) {
      await cutOthers();
      await until(() => returns === round, 'the return');
      await notify('one', String(round));
      await until(() => heard.at(-1) === String(round), 'the notification');
    }
    expect(heard).toEqual(['1', '2', '3']);
    await listener.close();
    await until(async () => (await countOthers()) === 0, 'the end of its connection');
  });

  it('rejects when the first connection fails', async () => {
    const url = new URL(scratch.url);
    url.pathname = '/no_such_database';
    await expect(
      listen(
        url.href,
        'one',
        () => undefined,
        () => undefined,
      ),
    ).rejects.toThrow();
  });
});

describe('advisory locks', () => {
  it('let one in at a time', async () => {
    let inside = 0;
    let most = 0;
    const work = async () => {
      inside++;
      most = Math.max(most, inside);
      await client.query('SELECT pg_sleep(0.02)');
      inside--;
    };
    await Promise.all(Array.from({ length: 5 }, () => withAdvisoryLock(scratch.url, 'migrate', work)));
    expect(most).toBe(1);
  });

  it('are refused while held, apart from other names, and free again after an error', async () => {
    const outer = withAdvisoryLock(scratch.url, 'reconcile', async () => {
      expect(await tryAdvisoryLock(scratch.url, 'reconcile', async () => undefined)).toBe(false);
      expect(await tryAdvisoryLock(scratch.url, 'migrate', async () => undefined)).toBe(true);
      throw new Error('work failed');
    });
    await expect(outer).rejects.toThrow('work failed');
    await until(() => tryAdvisoryLock(scratch.url, 'reconcile', async () => undefined), 'the free lock');
  });
});
