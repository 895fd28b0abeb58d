// Reads a dataset's bytes chunk by chunk, and believes none of them before it has checked the chunk's hash.
import type { SqlDatabase } from '../src/db/sql.ts';
import { sha256Hex } from '../src/idempotency/sha256.ts';

/** What is stored is not what was uploaded. The message is for the client. */
export class DamagedDatasetError extends Error {
  override readonly name = 'DamagedDatasetError';
}

export interface ChunkReader {
  /**
   * The next chunk in a buffer of its own, null after the last. Rejects with a DamagedDatasetError; after any other
   * error the same chunk may be asked for again.
   */
  next(): Promise<Uint8Array<ArrayBuffer> | null>;
}

export function readChunks(db: SqlDatabase, datasetId: string, byteLength: number): ChunkReader {
  let index = 0;
  let offset = 0;
  return {
    next: async () => {
      if (offset === byteLength) {
        return null;
      }
      const [chunk] = await db.$queryRaw<{ sha256: string; bytes: Uint8Array<ArrayBuffer> }[]>`
        SELECT "sha256", "bytes" FROM "DatasetChunk"
        WHERE "datasetId" = ${datasetId}::uuid AND "index" = ${index}::int`;
      const bytes = chunk?.bytes ?? new Uint8Array();
      if (bytes.length === 0 || offset + bytes.length > byteLength) {
        throw new DamagedDatasetError(`The stored dataset is incomplete at part ${index + 1}.`);
      }
      if (sha256Hex(bytes) !== chunk?.sha256) {
        throw new DamagedDatasetError(`The stored dataset is damaged in part ${index + 1}.`);
      }
      index++;
      offset += bytes.length;
      // Small buffers lie together in one of Node's, which cannot be given away; a Buffer's slice would lie there too.
      return bytes.buffer.byteLength === bytes.length ? bytes : new Uint8Array(bytes);
    },
  };
}
