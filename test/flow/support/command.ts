// The built commands as real processes, each on a data folder of its own.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../../src/package-root.ts';

export interface Command {
  readonly child: ChildProcess;
  /** Standard output and error so far, together. */
  output(): string;
  readonly exitCode: Promise<number | null>;
}

/** Starts a script below dist/ with this process's environment, but not its settings for the service. */
export function startCommand(script: string, args: readonly string[], env: Record<string, string>): Command {
  const { DATABASE_URL: _database, REDIS_URL: _redis, API_KEY: _key, ...inherited } = process.env;
  const child = spawn(process.execPath, [join(packageRoot(), 'dist', script), ...args], {
    env: { ...inherited, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const exitCode = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, output: () => output, exitCode };
}

export interface DataFolder {
  readonly path: string;
  remove(): void;
}

export function dataFolder(): DataFolder {
  const path = mkdtempSync(join(tmpdir(), 'trainyard-flow-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 20 }) };
}

/** Kills the process, everything below it, and the folder's Postgres, without a chance to clean up. */
export function killEverything(pid: number, dataDir: string): void {
  const family = [pid];
  for (const parent of family) family.push(...childrenOf(parent, ''));
  const postmaster = Number(
    readFileSync(join(dataDir, 'postgres', 'data', 'postmaster.pid'), 'utf8').split('\n')[0],
  );
  for (const victim of new Set([...family, postmaster])) {
    try {
      process.kill(victim, 'SIGKILL');
    } catch {
      // Gone already.
    }
  }
}

/** Pids of the process's children whose command line holds `word`. */
export function childrenOf(parent: number, word: string): number[] {
  const rows = execFileSync('ps', ['-axo', 'pid=,ppid=,args='], { encoding: 'utf8' }).trim().split('\n');
  return rows.flatMap((row) => {
    const [pid = '', ppid, ...args] = row.trim().split(/\s+/);
    return Number(ppid) === parent && args.join(' ').includes(word) ? [Number(pid)] : [];
  });
}
