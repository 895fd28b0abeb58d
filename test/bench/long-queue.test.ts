// 50,000 queued runs: how long a claim takes, a page of the list, and a worker until it is ready. Wants an idle machine:
// `npm run bench:service`.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensurePostgres } from '../../src/embedded/postgres.ts';
import { createLog } from '../../src/log.ts';
import { claimNextRun, claimRun } from '../../src/runs/lease-store.ts';
import { type Command, dataFolder, startCommand } from '../flow/support/command.ts';
import { claimant, type RunDatabase, runDatabase, until } from '../flow/support/lifecycle.ts';
import { endWorker, insertExample, queueTraining, startWorker } from '../flow/support/training.ts';
import { ask } from './support/service.ts';

const queued = 50_000;
const claims = 500;
/** A short list is read again and again. */
const pagesMin = 50;
const claimMsMax = 50;
const pageMsMax = 100;
const readySecondsMax = 5;

const folder = mkdtempSync(join(tmpdir(), 'trainyard-bench-'));
const data = dataFolder();
let server: Awaited<ReturnType<typeof ensurePostgres>>;
let at: RunDatabase;
let api: Command;
let url = '';
let headers: { authorization: string };

beforeAll(async () => {
  server = await ensurePostgres(folder, createLog('silent', 'bench'));
  at = await runDatabase(server.url);
  api = startCommand('src/server.js', [], {
    DATABASE_URL: at.url,
    DATA_DIR: data.path,
    PORT: '0',
    LOG_LEVEL: 'warn',
  });
  await until(() => api.output().includes('listens on'), 'the API', 60_000);
  url = /http:\/\/127\.0\.0\.1:\d+/.exec(api.output())?.[0] ?? '';
  headers = { authorization: `Bearer ${readFileSync(join(data.path, 'admin-key'), 'utf8').trim()}` };
  const first = await queueTraining(at, await insertExample(at, 'iris'), { target: 'species', epochs: 1 });
  const columns = await at.db.$queryRaw<{ name: string }[]>`
    SELECT column_name AS name FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name = 'Run' AND column_name NOT IN ('id', 'createdAt', 'name', 'tags', 'metadata')`;
  const same = columns.map(({ name }) => `"${name}"`).join(', ');
  await at.db.$executeRawUnsafe(
    `INSERT INTO "Run" ("id", "createdAt", "name", "tags", "metadata", ${same})
     SELECT gen_random_uuid(), now() - make_interval(secs => n), 'run ' || n % 100, ARRAY['tag ' || n % 1000],
       jsonb_build_object('part', (n % 500)::text), ${same}
     FROM "Run", generate_series(2, $1::int) AS n WHERE id = $2::uuid`,
    queued,
    first,
  );
  // What autovacuum does by itself, a minute later.
  await at.db.$executeRaw`ANALYZE "Run"`;
}, 300_000);
afterAll(async () => {
  await endWorker(api, 'SIGTERM');
  await at.drop();
  await server.stop();
  data.remove();
  rmSync(folder, { recursive: true, force: true });
});

function report(what: string, ms: readonly number[]): number {
  const sorted = ms.toSorted((a, b) => a - b);
  const at = (part: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
  const [median, p99, most] = [at(0.5), at(0.99), at(1)];
  console.log(
    `${what}, ${ms.length} times with ${queued} queued: median ${median.toFixed(1)} ms, 99 % within ` +
      `${p99.toFixed(1)} ms, at most ${most.toFixed(1)} ms`,
  );
  return p99;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

describe(`with ${queued} queued runs`, () => {
  it.each(['', '&sort=created', '&status=queued', '&name=run%207', '&tag=tag%207', '&metadata=part:7'])(
    'every page of the list comes soon: %s',
    async (query) => {
      const times: number[] = [];
      let seen = 0;
      for (let cursor: string | null = ''; cursor !== null || times.length < pagesMin; ) {
        if (cursor === null) [cursor, seen] = ['', 0];
        const path: string = `${url}/v1/runs?limit=100${query}${cursor === '' ? '' : `&cursor=${cursor}`}`;
        let text = '';
        times.push(await timed(async () => ({ text } = await ask(path, { headers }))));
        const page: { data: unknown[]; nextCursor: string | null } = JSON.parse(text);
        seen += page.data.length;
        cursor = page.nextCursor;
      }
      expect(seen).toBeGreaterThan(0);
      expect(report(`a page of ?${query.slice(1)} (${seen} runs)`, times)).toBeLessThanOrEqual(pageMsMax);
    },
    120_000,
  );

  it('a worker is ready soon', async () => {
    let worker: Command | null = null;
    const seconds =
      (await timed(async () => {
        worker = await startWorker(at, { WORKER_SLOTS: '1' });
      })) / 1_000;
    if (worker !== null) await endWorker(worker, 'SIGTERM');
    console.log(`a worker was ready after ${seconds.toFixed(1)} s`);
    expect(seconds).toBeLessThanOrEqual(readySecondsMax);
  });

  it('a claim is made soon, with a ticket and without', async () => {
    const some = await at.db.run.findMany({
      where: { status: 'queued' },
      select: { id: true },
      take: claims,
    });
    const byTicket: number[] = [];
    const next: number[] = [];
    for (const { id } of some) {
      byTicket.push(await timed(() => claimRun(at.sql, id, claimant())));
      next.push(await timed(() => claimNextRun(at.sql, claimant())));
    }
    expect(report('a claim by ticket', byTicket)).toBeLessThanOrEqual(claimMsMax);
    expect(report('a claim of the next in line', next)).toBeLessThanOrEqual(claimMsMax);
  });
});
