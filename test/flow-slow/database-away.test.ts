// While Postgres cannot be used the service says so, at once and in words that give nothing away, and is itself again
// soon after its return.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../flow/support/lifecycle.ts';
import {
  flowers,
  manyFlowers,
  specFor,
  startService,
  type TestService,
  upload,
} from '../http/support/service.ts';
import { createOwnPostgres, type OwnPostgres } from '../support/own-postgres.ts';

const answerMsMax = 6_000;
const healMsMax = 10_000;
const someId = '0199d9a0-0000-7000-8000-000000000000';

let postgres: OwnPostgres;
let service: TestService;

beforeAll(async () => {
  postgres = await createOwnPostgres();
  service = await startService({ serverUrl: postgres.url });
});
afterAll(async () => {
  await service.stop();
  await postgres.remove();
});

interface Route {
  readonly method: string;
  readonly path: string;
}

/** Whatever the service says of itself that it answers, and wants a key for. */
async function keyedRoutes(): Promise<Route[]> {
  const { paths } = (await service.app.inject('/openapi.json')).json() as {
    paths: Record<string, Record<string, { security?: unknown[] }>>;
  };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, { security }]) => security?.length !== 0)
      .map(([method]) => ({ method: method.toUpperCase(), path: path.replace(/\{\w+\}/g, someId) })),
  );
}

async function call({ method, path }: Route, headers: Record<string, string> = {}, body?: string) {
  const startedAt = performance.now();
  const response = await fetch(`${service.origin}${path}`, {
    method,
    headers: {
      ...service.admin,
      ...(method === 'POST' && { 'content-type': 'application/json' }),
      ...headers,
    },
    body: body ?? (method === 'POST' ? '{}' : null),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, ms: performance.now() - startedAt };
}

type Answer = Awaited<ReturnType<typeof call>>;

function expectUnavailable(answer: Answer, what: string): void {
  expect(answer.status, `${what}: ${answer.text}`).toBe(503);
  expect(answer.ms, what).toBeLessThan(answerMsMax);
  expect(answer.headers.get('content-type'), what).toMatch(/^application\/problem\+json/);
  expect(Number(answer.headers.get('retry-after')), what).toBeGreaterThan(0);
  expect(JSON.parse(answer.text), what).toMatchObject({ status: 503, code: 'unavailable', errors: [] });
  expect(answer.text, what).not.toMatch(/prisma|postgres|sql|econn|127\.0\.0\.1|stack|\.ts/i);
}

async function expectAway(): Promise<void> {
  const routes = await keyedRoutes();
  expect(routes.length).toBeGreaterThan(12);
  const answers = await Promise.all(routes.map((route) => call(route)));
  for (const [i, answer] of answers.entries()) {
    const { method, path } = routes[i] ?? { method: '', path: '' };
    expectUnavailable(answer, `${method} ${path}`);
  }
  const readyz = { method: 'GET', path: '/readyz' };
  // What it found a moment ago it says once more.
  await until(async () => (await call(readyz)).status === 503, 'the service to be unready', answerMsMax);
  const ready = await call(readyz);
  expect(ready.ms).toBeLessThan(answerMsMax);
  expect(JSON.parse(ready.text)).toMatchObject({ status: 'unready', checks: { database: 'failing' } });
  expect(await call({ method: 'GET', path: '/livez' })).toMatchObject({ status: 200 });
}

/** Every route answers what it answered before, and so it goes on. */
async function expectHealed(): Promise<void> {
  const ready = { method: 'GET', path: '/readyz' };
  await until(async () => (await call(ready)).status === 200, 'the service to be ready', healMsMax);
  const answers = await Promise.all((await keyedRoutes()).map((route) => call(route)));
  for (const { status, text } of answers) expect(status, text).toBeLessThan(500);
}

describe('while Postgres is away', () => {
  afterEach(async () => {
    postgres.thaw();
  });

  it('every route says so within seconds, and all is well when it is back, time after time', async () => {
    for (let round = 0; round < 3; round++) {
      await expectHealed();
      await postgres.stopImmediately();
      await expectAway();
      await postgres.start();
      await expectHealed();
    }
  });

  it('a request that is under way when it goes is answered like that too', async () => {
    const client = new pg.Client({ connectionString: service.url });
    client.on('error', () => undefined);
    await client.connect();
    await client.query('BEGIN; LOCK TABLE "Run" IN ACCESS EXCLUSIVE MODE');
    const list = call({ method: 'GET', path: '/v1/runs' });
    const waiting = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'`;
    await until(
      async () => (await client.query<{ n: number }>(waiting)).rows[0]?.n === 1,
      'the list to wait',
    );
    await postgres.stopImmediately();
    expectUnavailable(await list, 'the list');
    await client.end().catch(() => undefined);
    await postgres.start();
    await expectHealed();
  });

  it('and does not answer at all, every route says so within seconds', async () => {
    await expectHealed();
    postgres.freeze();
    await expectAway();
    postgres.thaw();
    await expectHealed();
  });

  it('a service does not take a database that accepts no writes for usable', async () => {
    const id = await upload(service, manyFlowers());
    const name = new URL(service.url).pathname.slice(1);
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    const readOnly = async (value: 'on' | 'off') => {
      await client.query(`ALTER DATABASE ${name} SET default_transaction_read_only = ${value}`);
      // What is connected keeps the setting that it began with.
      await client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]);
    };
    await readOnly('on');
    const submit = { method: 'POST', path: '/v1/runs' };
    const body = JSON.stringify(specFor(id));
    await until(async () => (await call({ method: 'GET', path: '/readyz' })).status === 503, 'unreadiness');
    await until(async () => (await call(submit, {}, body)).status === 503, 'the refusal');
    expectUnavailable(await call(submit, {}, body), 'a submit');
    expect((await call({ method: 'GET', path: `/v1/datasets/${id}` })).status).toBe(200);
    await readOnly('off');
    await client.end();
    await expectHealed();
    expect((await call(submit, {}, body)).status).toBe(201);
  });
});

interface Disk {
  readonly service: TestService;
  fill(): Promise<void>;
  free(): Promise<void>;
  remove(): Promise<void>;
}

/** A small disk of its own under the database, where the system lets us mount one. */
async function mountedDisk(): Promise<Disk | null> {
  const folder = mkdtempSync(join(tmpdir(), 'trainyard-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=96m', 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    rmdirSync(folder);
    return null;
  }
  const server = await createOwnPostgres();
  server.give(folder);
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  await client.query(`CREATE TABLESPACE small LOCATION '${folder}'`);
  await client.query('ALTER DATABASE template1 SET TABLESPACE small');
  await client.end();
  const own = await startService({ serverUrl: server.url });
  const filler = join(folder, 'filler');
  return {
    service: own,
    fill: async () => {
      const { bavail, bsize } = statfsSync(folder);
      writeFileSync(filler, Buffer.alloc(bavail * bsize));
    },
    free: async () => rmSync(filler),
    remove: async () => {
      await own.stop();
      await server.remove();
      execFileSync('umount', [folder]);
      rmdirSync(folder);
    },
  };
}

/** A disk that only says that it is full. */
async function pretendedDisk(): Promise<Disk> {
  const own = await startService({ serverUrl: postgres.url });
  await own.db.$executeRawUnsafe(`
    CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$`);
  const each = async (statement: (table: string) => string) => {
    for (const table of ['Run', 'Dataset', 'DatasetChunk']) await own.db.$executeRawUnsafe(statement(table));
  };
  return {
    service: own,
    fill: () => each((t) => `CREATE TRIGGER full_disk BEFORE INSERT ON "${t}" EXECUTE FUNCTION full_disk()`),
    free: () => each((t) => `DROP TRIGGER full_disk ON "${t}"`),
    remove: () => own.stop(),
  };
}

describe.each([
  ['that was mounted', mountedDisk],
  ['as Postgres reports it', pretendedDisk],
])('while the disk of Postgres is full, one %s', (_, make) => {
  it('what was stored is read, writes are answered with 503, and work again once there is room', async () => {
    // Containers and ordinary users may mount nothing; the other disk stands for it there.
    const disk = (await make()) ?? (await pretendedDisk());
    const { origin, admin } = disk.service;
    const send = (path: string, type: string, body: string) =>
      call({ method: 'POST', path: path }, { 'content-type': type }, body);
    const mine = service;
    service = disk.service;
    try {
      const dataset = await upload(disk.service, manyFlowers());
      const large = `${flowers}${'5.1,3.5,red\n'.repeat(200_000)}`;
      const submit = () =>
        send(
          '/v1/runs',
          'application/json',
          JSON.stringify(specFor(dataset, { metadata: { note: noise() } })),
        );
      expect((await submit()).status).toBe(201);
      await disk.fill();
      expectUnavailable(await send('/v1/datasets', 'text/csv', large), 'an upload');
      // Until the last page is written full.
      const refused = await until(async () => {
        const answer = await submit();
        return answer.status === 201 ? null : answer;
      }, 'a submit to be refused');
      expectUnavailable(refused, 'a submit');
      const read = await fetch(`${origin}/v1/datasets/${dataset}`, { headers: admin });
      expect(read.status).toBe(200);
      await disk.free();
      await until(async () => (await submit()).status === 201, 'a submit to be taken', healMsMax);
      expect((await send('/v1/datasets', 'text/csv', large)).status).toBe(201);
    } finally {
      service = mine;
      await disk.remove();
    }
  });
});

/** Does not compress. */
function noise(): string {
  return Array.from({ length: 400 }, () => Math.random().toString(36).slice(2, 3)).join('');
}
