// A process that uses the embedded Postgres: node hold-postgres.mjs <dist> <data folder>
// Says its database's URL as one line; a line `stop` on stdin ends it properly, `exit` without a farewell.

import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const [dist, dataDir] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(dist, path)).href);
const { ensurePostgres } = await load('src/embedded/postgres.js');
const { createLog } = await load('src/log.js');

const postgres = await ensurePostgres(dataDir, createLog('warn', 'holder'));
process.stdout.write(`${postgres.url}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'stop') {
    await postgres.stop();
  }
  process.exit(0);
}
