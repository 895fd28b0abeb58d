// `service.json` in the data folder: where the service that runs on this folder listens.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const serviceFile = z.object({ url: z.string(), pid: z.number().int().positive() });
export type ServiceFile = z.infer<typeof serviceFile>;

/** The running service's address; null when none is noted or its process is gone. */
export function readServiceFile(dataDir: string): ServiceFile | null {
  try {
    const noted = serviceFile.parse(JSON.parse(readFileSync(pathIn(dataDir), 'utf8')));
    process.kill(noted.pid, 0);
    return noted;
  } catch {
    return null;
  }
}

/** Notes this process as the folder's service; returns how to take the note back. */
export function noteService(dataDir: string, url: string): () => void {
  writeFileSync(pathIn(dataDir), JSON.stringify({ url, pid: process.pid }));
  return () => rmSync(pathIn(dataDir), { force: true });
}

function pathIn(dataDir: string): string {
  return join(dataDir, 'service.json');
}
