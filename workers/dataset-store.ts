// Reads a dataset's bytes into shared memory, one chunk at a time, and believes none of them before it has
// checked the chunk's hash.
import { createHash } from 'node:crypto';
import type { Database } from '../src/db/client.ts';

/** What is stored is not what was uploaded. The message is for the client. */
export class DamagedDatasetError extends Error {
  override readonly name = 'DamagedDatasetError';
}

export async function readDatasetBytes(
  db: Database,
  datasetId: string,
  byteLength: number,
): Promise<SharedArrayBuffer> {
  const buffer = new SharedArrayBuffer(byteLength);
  const target = new Uint8Array(buffer);
  let offset = 0;
  for (let index = 0; offset < byteLength; index++) {
    const chunk = await db.datasetChunk.findUnique({
      where: { datasetId_index: { datasetId, index } },
      select: { sha256: true, bytes: true },
    });
    if (chunk === null || chunk.bytes.length === 0 || offset + chunk.bytes.length > byteLength) {
      throw new DamagedDatasetError(`The stored dataset is incomplete at part ${index + 1}.`);
    }
    if (createHash('sha256').update(chunk.bytes).digest('hex') !== chunk.sha256) {
      throw new DamagedDatasetError(`The stored dataset is damaged in part ${index + 1}.`);
    }
    target.set(chunk.bytes, offset);
    offset += chunk.bytes.length;
  }
  return buffer;
}
