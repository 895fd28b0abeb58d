// One throw-away Postgres for the suites that want a server: TEST_DATABASE_URL, or one started here.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePostgres } from '../../src/embedded/postgres.ts';
import { createLog } from '../../src/log.ts';

/** Vitest calls this once per project, one after the other; the first starts the server for all. */
export async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env.TEST_DATABASE_URL) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'trainyard-test-'));
  const server = await ensurePostgres(folder, createLog('silent', 'test'));
  process.env.TEST_DATABASE_URL = server.url;
  return async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
}
