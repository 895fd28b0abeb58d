// Writes the SQL that takes the committed prisma/schema.prisma to the one in the working tree, as a new
// migration. Usage: DATABASE_URL=<any Postgres> node dist/scripts/write-migration.js <snake_case_name>
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadConfig } from '../src/config.ts';
import { schemaDifference } from '../src/db/schema-engine.ts';
import { packageRoot } from '../src/package-root.ts';

const name = process.argv[2];
const { databaseUrl } = loadConfig(process.env);
if (name === undefined || !/^[a-z0-9_]+$/.test(name) || databaseUrl === undefined) {
  process.stderr.write('usage: DATABASE_URL=<any Postgres> node write-migration.js <snake_case_name>\n');
  process.exit(2);
}

const folder = join(packageRoot(), 'prisma');
const committed = execFileSync('git', ['show', 'HEAD:./schema.prisma'], { cwd: folder, encoding: 'utf8' });
const current = await readFile(join(folder, 'schema.prisma'), 'utf8');
const script = await schemaDifference(databaseUrl, committed, current);
if (script === '') {
  process.stdout.write('The committed schema already says the same.\n');
} else {
  const stamp = new Date().toISOString().replace(/\D/g, '').slice(0, 14);
  const target = join(folder, 'migrations', `${stamp}_${name}`);
  await mkdir(target);
  await writeFile(join(target, 'migration.sql'), script);
  process.stdout.write(`Wrote ${target}\n`);
}
