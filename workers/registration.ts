// Says every few seconds that this worker is there, for as long as it is.
import type { SqlDatabase } from '../src/db/sql.ts';
import type { Log } from '../src/log.ts';
import { removeWorker, reportWorker, type WorkerEntry } from '../src/workers/store.ts';

export interface Registration {
  /** Takes the worker off the list. */
  end(): Promise<void>;
}

const reportMs = 5_000;

/** Resolves after the first report, whether it got through or not. */
export async function register(db: SqlDatabase, worker: WorkerEntry, log: Log): Promise<Registration> {
  let ended = false;
  let timer: NodeJS.Timeout | undefined;
  let reporting: Promise<void> = Promise.resolve();

  const report = async (): Promise<void> => {
    await reportWorker(db, worker).catch((error: unknown) =>
      log.warn({ err: error }, 'the worker could not report that it is there'),
    );
    if (!ended) timer = setTimeout(start, reportMs);
  };
  const start = (): void => {
    reporting = report();
  };

  start();
  await reporting;
  return {
    end: async () => {
      ended = true;
      clearTimeout(timer);
      await reporting;
      await removeWorker(db, worker.id).catch((error: unknown) =>
        log.warn({ err: error }, 'the worker could not take itself off the list'),
      );
    },
  };
}
