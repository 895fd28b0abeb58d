// Statements straight to Postgres: what goes in comes out, a transaction is whole or nothing, and a pool outlives its
// connections.
import part, { join } from 'sql-template-tag';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createSqlPool, type SqlPool } from '../../src/db/sql.ts';
import { openProxy } from '../chaos/places/proxy.ts';
import { emptyDatabase, until } from './support/lifecycle.ts';

let database: Awaited<ReturnType<typeof emptyDatabase>>;
let sql: SqlPool;
beforeAll(async () => {
  database = await emptyDatabase(process.env.TEST_DATABASE_URL ?? '');
  sql = createSqlPool(database.url, { poolMax: 4 });
  await sql.$executeRaw`CREATE TABLE thing (id int PRIMARY KEY, bytes bytea)`;
});
afterAll(async () => {
  await sql.close();
  await database.drop();
});

beforeEach(() => sql.$executeRaw`TRUNCATE thing`);

const ids = async () =>
  (await sql.$queryRaw<{ id: number }[]>`SELECT id FROM thing ORDER BY id`).map(({ id }) => id);

describe('a statement', () => {
  it('takes and gives values as Prisma does', async () => {
    const at = new Date('2026-01-02T03:04:05.678Z');
    const rows = await sql.$queryRaw`
      SELECT ${3}::int AS "int", ${2n ** 60n}::bigint AS "big", ${1.5}::float8 AS "float", ${'x'} AS "text",
        ${JSON.stringify({ a: [1, null] })}::jsonb AS "json", ${at}::timestamptz AS "date",
        ${['b', 'c']}::text[] AS "list", ${null}::int AS "nothing", ${true}::boolean AS "yes"`;
    expect(rows).toEqual([
      {
        int: 3,
        big: 2n ** 60n,
        float: 1.5,
        text: 'x',
        json: { a: [1, null] },
        date: at,
        list: ['b', 'c'],
        nothing: null,
        yes: true,
      },
    ]);
  });

  it('is put together from parts, and says how many rows it changed', async () => {
    const rows = [7, 8, 9].map((id) => part`(${id}::int)`);
    expect(await sql.$executeRaw`INSERT INTO thing (id) VALUES ${join(rows)}`).toBe(3);
    expect(await sql.$executeRaw(part`DELETE FROM thing WHERE id > ${7}`)).toBe(2);
    expect(await sql.$executeRaw`DELETE FROM thing`).toBe(1);
  });

  it('may differ from another of the same parts, or be the same with other values, a thousand times', async () => {
    for (let n = 1; n <= 300; n++) {
      const sum = join(
        Array.from({ length: n }, (_, i) => part`${i}::int`),
        ' + ',
      );
      expect(await sql.$queryRaw`SELECT ${sum} AS sum`).toEqual([{ sum: (n * (n - 1)) / 2 }]);
    }
  });

  it('brings bytes as they are', async () => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i * 7);
    await sql.$executeRaw`INSERT INTO thing (id, bytes) VALUES (1, ${bytes})`;
    await sql.$executeRaw`INSERT INTO thing (id, bytes) VALUES (2, NULL)`;
    const [first, second] = await sql.$queryRaw<{ bytes: Uint8Array | null }[]>`
      SELECT bytes FROM thing WHERE id <= ${2} ORDER BY id`;
    expect(Buffer.compare(first?.bytes ?? Buffer.alloc(0), bytes)).toBe(0);
    expect(second?.bytes).toBeNull();
  });
});

describe('a transaction', () => {
  it('is whole or nothing', async () => {
    const answer = await sql.$transaction(async (tx) => {
      await tx.$executeRaw`INSERT INTO thing (id) VALUES (1)`;
      return tx.$queryRaw<{ id: number }[]>`SELECT id FROM thing`;
    });
    expect(answer).toEqual([{ id: 1 }]);
    const failing = sql.$transaction(async (tx) => {
      await tx.$executeRaw`INSERT INTO thing (id) VALUES (2)`;
      await tx.$executeRaw`INSERT INTO thing (id) VALUES (1)`;
    });
    await expect(failing).rejects.toThrow('duplicate key');
    const thrown = sql.$transaction(async (tx) => {
      await tx.$executeRaw`INSERT INTO thing (id) VALUES (3)`;
      throw new Error('changed its mind');
    });
    await expect(thrown).rejects.toThrow('changed its mind');
    expect(await ids()).toEqual([1]);
  });

  it('whose connection breaks between two statements is an error of its own alone', async () => {
    const uncaught: unknown[] = [];
    const note = (error: unknown) => uncaught.push(error);
    const others = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException').on('uncaughtException', note);
    try {
      const work = sql.$transaction(async (tx) => {
        await tx.$executeRaw`INSERT INTO thing (id) VALUES (1)`;
        const [own] = await tx.$queryRaw<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
        await sql.$queryRaw`SELECT pg_terminate_backend(${own?.pid}::int)`;
        const gone = async () => {
          const [left] = await sql.$queryRaw<{ count: number }[]>`
            SELECT count(*)::int FROM pg_stat_activity WHERE pid = ${own?.pid}::int`;
          return left?.count === 0;
        };
        await until(gone, 'the connection to break');
        await tx.$queryRaw`SELECT 1`;
      });
      await expect(work).rejects.toThrow();
      expect(await ids()).toEqual([]);
      expect(uncaught).toEqual([]);
    } finally {
      process.off('uncaughtException', note);
      for (const other of others) process.on('uncaughtException', other);
    }
  });

  it('that takes too long is cut off, and its connection with it', async () => {
    const slow = sql.$transaction(
      async (tx) => {
        await tx.$executeRaw`INSERT INTO thing (id) VALUES (1)`;
        await tx.$queryRaw`SELECT pg_sleep(2)::text`;
      },
      { timeout: 200 },
    );
    await expect(slow).rejects.toThrow();
    expect(await ids()).toEqual([]);
  });
});

describe('a pool', () => {
  it('goes on when its connections are cut', async () => {
    await Promise.all(Array.from({ length: 4 }, () => sql.$queryRaw`SELECT pg_sleep(0.05)::text`));
    const other = createSqlPool(database.url);
    await other.$queryRaw`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()`;
    await other.close();
    await expect.poll(ids).toEqual([]);
  });

  it('has its sessions ended by Postgres when it vanishes', async () => {
    expect(
      await sql.$queryRaw`
      SELECT name, setting FROM pg_settings WHERE name LIKE 'tcp_keepalives%' ORDER BY name`,
    ).toEqual([
      { name: 'tcp_keepalives_count', setting: '3' },
      { name: 'tcp_keepalives_idle', setting: '30' },
      { name: 'tcp_keepalives_interval', setting: '10' },
    ]);
  });

  it('gives a line up that went silent, and goes on when it is back', async () => {
    const proxy = await openProxy(() => [Number(new URL(database.url).port)]);
    const through = new URL(database.url);
    through.port = String(proxy.port);
    const far = createSqlPool(through.href, { silentMsMax: 300 });
    try {
      await far.$executeRaw`INSERT INTO thing (id) VALUES (1)`;
      const between = far.$transaction(async (tx) => {
        await tx.$executeRaw`INSERT INTO thing (id) VALUES (2)`;
        proxy.silence();
      });
      await expect(between).rejects.toThrow('Connection terminated: no word in 300 ms');
      proxy.resume();
      await expect.poll(() => far.$executeRaw`INSERT INTO thing (id) VALUES (3)`).toBe(1);
      proxy.silence();
      await expect(far.$queryRaw`SELECT 1`).rejects.toThrow('Connection terminated: no word in 300 ms');
      proxy.resume();
      await expect.poll(() => far.$queryRaw`SELECT 1 AS one`).toEqual([{ one: 1 }]);
    } finally {
      await far.close();
      await proxy.close();
    }
  });

  it('waits for what is much to store, or still comes', async () => {
    const patient = createSqlPool(database.url, { silentMsMax: 300 });
    const much = new Uint8Array(10_000_000);
    await patient.$queryRaw`SELECT pg_sleep(0.6)::text, length(${much}::bytea)`;
    const rows = await patient.$queryRaw<unknown[]>`
      SELECT pg_sleep(0.1)::text, repeat('x', 100000) AS text FROM generate_series(1, 8)`;
    expect(rows).toHaveLength(8);
    await expect(patient.$queryRaw`SELECT pg_sleep(0.6)::text`).rejects.toThrow('no word in 300 ms');
    await patient.close();
  });

  it('says within seconds that nobody answers', async () => {
    const nowhere = new URL(database.url);
    nowhere.port = '1';
    const away = createSqlPool(nowhere.href);
    await expect(away.$queryRaw`SELECT 1`).rejects.toThrow();
    await away.close();
  });
});
