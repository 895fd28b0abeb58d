// Brings a database to this version's schema. Safe to call from any number of processes at once: an advisory
// lock lets one work while the others wait and then find nothing to do.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { packageRoot } from '../package-root.ts';
import { withAdvisoryLock } from './advisory-lock.ts';
import { withSchemaEngine } from './schema-engine.ts';

export interface Migration {
  readonly name: string;
  readonly script: string;
}

/** Applies what is missing and returns the names applied, oldest first. */
export async function migrate(url: string): Promise<string[]> {
  const migrations = await readMigrations();
  // The usual start changes nothing; it should not have to load the engine to find out.
  if (await isUpToDate(url, migrations)) {
    return [];
  }
  return withAdvisoryLock(url, 'migrate', () => apply(url, migrations));
}

/** The migrations this version was published with, oldest first. */
export async function readMigrations(): Promise<Migration[]> {
  const folder = migrationsFolder();
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return Promise.all(
    names
      .sort()
      .map(async (name) => ({ name, script: await readFile(join(folder, name, 'migration.sql'), 'utf8') })),
  );
}

/** In the form the schema engine takes. */
async function migrationList(migrations: readonly Migration[]) {
  return {
    baseDir: migrationsFolder(),
    lockfile: {
      path: 'migration_lock.toml',
      content: await readFile(join(migrationsFolder(), 'migration_lock.toml'), 'utf8'),
    },
    shadowDbInitScript: '',
    migrationDirectories: migrations.map(({ name, script }) => ({
      path: name,
      migrationFile: { path: 'migration.sql', content: { tag: 'ok' as const, value: script } },
    })),
  };
}

function migrationsFolder(): string {
  return join(packageRoot(), 'prisma', 'migrations');
}

async function apply(url: string, migrations: readonly Migration[]): Promise<string[]> {
  const filters = { externalTables: [], externalEnums: [] };
  const input = { migrationsList: await migrationList(migrations), filters };
  const output = await withSchemaEngine(url, (engine) => engine.applyMigrations(input));
  return output.appliedMigrationNames;
}

/** True when the database's own record says that exactly these scripts were applied. */
async function isUpToDate(url: string, migrations: readonly Migration[]): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const record = await client.query<{ present: boolean }>(
      `SELECT to_regclass('_prisma_migrations') IS NOT NULL AS present`,
    );
    if (record.rows[0]?.present !== true) {
      return false;
    }
    const applied = await client.query<{ name: string; checksum: string; done: boolean }>(
      `SELECT migration_name AS name, checksum, finished_at IS NOT NULL AS done
       FROM _prisma_migrations WHERE rolled_back_at IS NULL ORDER BY migration_name`,
    );
    return (
      applied.rows.length === migrations.length &&
      applied.rows.every((row, i) => {
        const migration = migrations[i];
        return row.done && row.name === migration?.name && row.checksum === sha256(migration.script);
      })
    );
  } finally {
    await client.end().catch(() => undefined);
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
