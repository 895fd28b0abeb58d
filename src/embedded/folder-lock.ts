// One process at a time in a folder, with nothing to clean up after a kill -9.
//
// Lock files are numbered, and the highest number is the lock. It is held while its file names a live process;
// an emptied file is released. Whoever finds it free links the next number, which only one can do. The highest
// file is never removed, so a process that acts on an old listing either fails to link or sees a higher number
// right after, and steps back.
import { link, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isAlive, ownIdentity, type ProcessIdentity } from './process-identity.ts';

const retryMs = 20;

/** Waits for the lock up to `waitMs`, runs `work`, releases it. */
export async function withFolderLock<T>(folder: string, waitMs: number, work: () => Promise<T>): Promise<T> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = await acquire(folder, Date.now() + waitMs);
  try {
    return await work();
  } finally {
    await truncate(file, 0);
  }
}

async function acquire(folder: string, deadline: number): Promise<string> {
  const draft = join(folder, `draft-${process.pid}-${Math.random().toString(36).slice(2)}`);
  await writeFile(draft, JSON.stringify(ownIdentity()), { mode: 0o600 });
  try {
    for (;;) {
      const numbers = await listNumbers(folder);
      const highest = numbers.at(-1) ?? 0;
      if (highest === 0 || !(await isHeld(join(folder, String(highest))))) {
        const file = await tryNumber(folder, draft, highest + 1);
        if (file !== null) {
          return file;
        }
      } else if (Date.now() > deadline) {
        throw new Error(`another process is busy starting or stopping Postgres (it holds ${folder})`);
      } else {
        await delay(retryMs);
      }
    }
  } finally {
    await rm(draft, { force: true });
  }
}

/** The lock's file, or null when another process was faster. */
async function tryNumber(folder: string, draft: string, number: number): Promise<string | null> {
  const file = join(folder, String(number));
  try {
    await link(draft, file);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') {
      return null;
    }
    throw error;
  }
  const numbers = await listNumbers(folder);
  if (numbers.at(-1) !== number) {
    await rm(file, { force: true });
    return null;
  }
  for (const old of numbers.slice(0, -1)) {
    await rm(join(folder, String(old)), { force: true });
  }
  return file;
}

async function listNumbers(folder: string): Promise<number[]> {
  const names = await readdir(folder);
  return names
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

async function isHeld(file: string): Promise<boolean> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text !== '' && isAlive(JSON.parse(text) as ProcessIdentity);
}
