// A supervisor of its own: node hold-service.mjs <dist>, with its settings in the environment.
// Says {url, apiKey, pids} as one line of JSON, then waits to be killed.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const load = (path) => import(pathToFileURL(join(process.argv[2], path)).href);
const { loadConfig } = await load('src/config.js');
const { createLog } = await load('src/log.js');
const { startService } = await load('src/supervisor.js');

const service = await startService(loadConfig(process.env), { log: createLog('warn', 'holder') });
const { url, apiKey } = service;
process.stdout.write(`${JSON.stringify({ url, apiKey, pids: service.pids() })}\n`);
setInterval(() => undefined, 60_000);
