// What /readyz asks the database.
import type { Database } from '../db/client.ts';

export interface Schema {
  /** The applied migrations by name. */
  readonly migrations: readonly string[];
  /** False of a standby, and of a server that is still recovering. */
  readonly writable: boolean;
}

/** Rejects when the database does not answer. */
export async function readSchema(db: Database): Promise<Schema> {
  const [schema] = await db.$queryRaw<Schema[]>`
    SELECT current_setting('transaction_read_only') = 'off' AS writable,
      COALESCE(array_agg(migration_name), '{}') AS migrations
    FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL`;
  return schema ?? { migrations: [], writable: false };
}
