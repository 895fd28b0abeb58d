// One throw-away Postgres for the suites that want a server: TEST_DATABASE_URL, or one started here. On it lies a
// migrated database, to be copied: a copy takes less than migrating again.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '../../src/db/migrate.ts';
import { ensurePostgres } from '../../src/embedded/postgres.ts';
import { createLog } from '../../src/log.ts';
import { emptyDatabase } from '../flow/support/lifecycle.ts';

/** Vitest calls this once per project, one after the other; the first does it for all. */
export async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env.TEST_DATABASE_TEMPLATE) return undefined;
  const started = process.env.TEST_DATABASE_URL ? null : await startPostgres();
  const serverUrl = started?.url ?? process.env.TEST_DATABASE_URL ?? '';
  const template = await emptyDatabase(serverUrl);
  await migrate(template.url);
  process.env.TEST_DATABASE_URL = serverUrl;
  process.env.TEST_DATABASE_TEMPLATE = new URL(template.url).pathname.slice(1);
  return async () => {
    await template.drop();
    await started?.stop();
  };
}

async function startPostgres(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'trainyard-test-'));
  const server = await ensurePostgres(folder, createLog('silent', 'test'));
  return {
    url: server.url,
    stop: async () => {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
