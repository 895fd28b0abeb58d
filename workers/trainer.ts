// The worker's process: resolves the database, brings it up to date, trains.
import { migrate } from '../src/db/migrate.ts';
import { openDatabase } from '../src/embedded/database-url.ts';
import { runService } from '../src/service-process.ts';
import { startWorker } from './worker.ts';

await runService('worker', async (config, log) => {
  const { url, release } = await openDatabase(config, log);
  await migrate(url);
  const worker = await startWorker(config, url, log);
  return {
    close: async () => {
      await worker.drain();
      await release();
    },
  };
});
