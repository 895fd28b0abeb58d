// What /readyz asks the database.
import type { Database } from '../db/client.ts';

/** The applied migrations by name; rejects when the database does not answer. */
export async function appliedMigrations(db: Database): Promise<string[]> {
  const rows = await db.$queryRaw<{ name: string }[]>`
    SELECT migration_name AS name FROM _prisma_migrations
    WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL`;
  return rows.map(({ name }) => name);
}
