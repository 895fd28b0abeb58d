// Dataset bytes by content hash, least recently used out first: runs on the same data read it once.
import type { Database } from '../src/db/client.ts';
import { readDatasetBytes } from './dataset-store.ts';

export interface DatasetCache {
  /** Concurrent calls for the same content share one read. Rejects with DamagedDatasetError. */
  get(dataset: {
    readonly datasetId: string;
    readonly contentSha256: string;
    readonly byteLength: number;
  }): Promise<SharedArrayBuffer>;
}

export function createDatasetCache(db: Database, bytesMax: number): DatasetCache {
  const entries = new Map<string, { bytes: Promise<SharedArrayBuffer>; byteLength: number }>();

  const read = async (
    known: Promise<SharedArrayBuffer> | undefined,
    datasetId: string,
    byteLength: number,
  ): Promise<SharedArrayBuffer> => {
    try {
      return await (known ?? readDatasetBytes(db, datasetId, byteLength));
    } catch (error) {
      if (known === undefined) {
        throw error;
      }
      // Another dataset of the same content could not be read; this one's copy may be whole.
      return readDatasetBytes(db, datasetId, byteLength);
    }
  };

  return {
    get: async ({ datasetId, contentSha256, byteLength }) => {
      const entry = { bytes: read(entries.get(contentSha256)?.bytes, datasetId, byteLength), byteLength };
      // Last in the map: most recently used.
      entries.delete(contentSha256);
      entries.set(contentSha256, entry);
      try {
        return await entry.bytes;
      } catch (error) {
        if (entries.get(contentSha256) === entry) {
          entries.delete(contentSha256);
        }
        throw error;
      } finally {
        trim(entries, bytesMax);
      }
    },
  };
}

/** Drops the cache's hold on the oldest; runs that use them keep theirs. */
function trim(entries: Map<string, { byteLength: number }>, bytesMax: number): void {
  let total = 0;
  for (const { byteLength } of entries.values()) {
    total += byteLength;
  }
  for (const [key, { byteLength }] of entries) {
    if (total <= bytesMax) {
      return;
    }
    entries.delete(key);
    total -= byteLength;
  }
}
