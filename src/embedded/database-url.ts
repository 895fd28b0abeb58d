// Which database a process of ours uses: the one it was told, or the embedded one.
import type { Config } from '../config.ts';
import type { Log } from '../log.ts';
import { ensurePostgres } from './postgres.ts';

export interface DatabaseAccess {
  readonly url: string;
  /** To be called when the process no longer needs the database. */
  release(): Promise<void>;
}

/** Servers and workers alike call this, so that the embedded Postgres stays up until its last user is done. */
export async function openDatabase(
  config: Pick<Config, 'databaseUrl' | 'dataDir'>,
  log: Log,
): Promise<DatabaseAccess> {
  if (config.databaseUrl !== undefined) {
    return { url: config.databaseUrl, release: async () => undefined };
  }
  const postgres = await ensurePostgres(config.dataDir, log);
  return { url: postgres.url, release: () => postgres.stop() };
}
