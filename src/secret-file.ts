// Random values that are made once, kept in a file only their owner can read, and the same for every process.
import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** The file's text; where there is none, `create`'s, written whole or not at all. The first of several wins. */
export async function readOrCreateSecret(file: string, create: () => string): Promise<string> {
  const existing = await readSecret(file);
  if (existing !== null) {
    return existing;
  }
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    await writeFile(draft, `${create()}\n`, { mode: 0o600, flush: true });
    await link(draft, file);
  } catch (error) {
    if (!isCode(error, 'EEXIST')) {
      throw error;
    }
  } finally {
    await rm(draft, { force: true });
  }
  const written = await readSecret(file);
  if (written === null) {
    throw new Error(`${file} vanished while it was being made`);
  }
  return written;
}

/** The file's text without the line's end, or null when there is no file. */
export async function readSecret(file: string): Promise<string | null> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if (isCode(error, 'ENOENT')) {
      return null;
    }
    throw error;
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
