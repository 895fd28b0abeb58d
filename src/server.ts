// The API's process: resolves the database, brings it up to date, serves HTTP, reconciles.
import { buildApp } from './app.ts';
import type { Config } from './config.ts';
import { createDatabase } from './db/client.ts';
import { migrate } from './db/migrate.ts';
import { openDatabase } from './embedded/database-url.ts';
import { backends } from './engine/codegen/backends.ts';
import { createKeyService } from './keys/service.ts';
import type { Log } from './log.ts';
import { packageVersion } from './package-root.ts';
import { createTicketQueue } from './queue/queue.ts';
import { startReconciler } from './runs/reconciler.ts';
import { runService, type Service } from './service-process.ts';

await runService('api', startApi);

async function startApi(config: Config, log: Log): Promise<Service> {
  const { url: databaseUrl, release } = await openDatabase(config, log);
  await migrate(databaseUrl);
  const db = createDatabase(databaseUrl);
  const keys = await createKeyService({ db, dataDir: config.dataDir, keySecret: config.keySecret });
  await keys.ensureAdminKey(config.apiKey);
  const queue = createTicketQueue({
    redisUrl: config.redisUrl,
    databaseUrl,
    prefix: config.queuePrefix,
    log,
  });
  const app = await buildApp({
    db,
    databaseUrl,
    queue,
    authenticate: keys.authenticate,
    // Predictions are short: what compiles fastest serves best.
    backend: backends[config.engineBackend === 'interpreter' ? 'interpreter' : 'wasm'],
    log,
    version: packageVersion(),
  });
  const address = await app.listen({ host: config.host, port: config.port });
  const reconciler = startReconciler({ db, databaseUrl, queue, log }, config.reconcileSeconds);
  return {
    url: urlOf(config.host, new URL(address).port),
    close: async () => {
      await Promise.all([app.close(), reconciler.stop()]);
      await queue.close();
      await db.$disconnect();
      await release();
    },
  };
}

/** An address to use from this machine: a server that listens everywhere also listens on loopback. */
function urlOf(host: string, port: string): string {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}
