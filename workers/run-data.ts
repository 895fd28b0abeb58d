// Where a run's data comes from: what another run has prepared or parsed, or the dataset's chunks. What this run's
// thread makes of them is given to the runs after it, and to those that wait for just that.
import { z } from 'zod';
import type { SqlDatabase } from '../src/db/sql.ts';
import { canonicalJson } from '../src/engine/canonical-json.ts';
import type { RecordedRun } from '../src/runs/lease-store.ts';
import { DamagedDatasetError, readChunks } from './chunk-store.ts';
import { collectGarbage } from './garbage.ts';
import { type Persistence, persist } from './persist.ts';
import type { ChunkMessage, StartData, ThreadMessage } from './protocol.ts';
import { createSharedCache, type Share, type SharedCache } from './shared-cache.ts';
import { type EncodedData, encodedBytes, type ParsedData, parsedBytes } from './shared-data.ts';

export interface DataCaches {
  readonly parsed: SharedCache<ParsedData>;
  readonly encoded: SharedCache<EncodedData>;
}

/** What no run uses is kept up to these sizes. What was prepared from a table stands in for it. */
const parsedBytesMax = 32 * 1024 ** 2;
const encodedBytesMax = 256 * 1024 ** 2;

export function createDataCaches(): DataCaches {
  return { parsed: createSharedCache(parsedBytesMax), encoded: createSharedCache(encodedBytesMax) };
}

export interface RunData {
  /** What the thread starts from; asked once, before it starts. */
  start(): StartData;
  /** Takes what the thread has made. */
  hear(message: Extract<ThreadMessage, { type: 'parsed' | 'encoded' }>): void;
  /** The answer to the thread's wish for more; rejects when the database does not answer. */
  nextChunk(): Promise<ChunkMessage>;
  /** Once is enough. */
  release(): void;
}

/** Answers the thread's wish for more. Rejects when the database does not answer for longer than is waited for. */
export async function sendNextChunk(
  data: RunData | null,
  thread: { sendChunk(chunk: ChunkMessage): void } | null,
  patience: Persistence,
): Promise<void> {
  const chunk = await persist('dataset', async () => data?.nextChunk(), patience);
  if (chunk !== undefined) thread?.sendChunk(chunk);
}

const columnNames = z.array(z.string());

/** What of a spec decides how its data is prepared. */
const preparation = z.object({
  seed: z.unknown().optional(),
  loss: z.unknown().optional(),
  data: z.looseObject({ dataset: z.unknown().optional() }).optional(),
});

/** Waits while another run prepares the same; rejects with the signal's reason once that aborts. */
export async function openRunData(
  db: SqlDatabase,
  { parsed, encoded }: DataCaches,
  { spec, datasetId, dataset }: RecordedRun,
  signal: AbortSignal,
): Promise<RunData> {
  const { contentSha256, byteLength, rowCount } = dataset;
  const categorical = columnNames.parse(dataset.categorical);
  const source = { contentSha256, categorical };
  const { seed, loss, data: { dataset: _, ...data } = {} } = preparation.parse(spec);

  // Numbers are about as long in the file as they are encoded.
  const options = { expectedBytes: byteLength, signal };
  const encodedShare = await encoded.acquire(canonicalJson({ ...source, seed, loss, data }), options);
  let parsedShare: Share<ParsedData> | null = null;
  if (encodedShare.value === null) {
    parsedShare = await parsed.acquire(canonicalJson(source), { signal }).catch((error: unknown) => {
      encodedShare.release();
      throw error;
    });
  }
  const chunks = readChunks(db, datasetId, byteLength);

  const start = (): StartData => {
    if (encodedShare.value !== null) return { from: 'encoded', encoded: encodedShare.value };
    const known = parsedShare?.value ?? null;
    return known === null ? { from: 'chunks', rowCount, categorical } : { from: 'parsed', parsed: known };
  };
  return {
    start,
    hear: (message) => {
      if (message.type === 'parsed') {
        parsedShare?.made(message.parsed, parsedBytes(message.parsed));
      } else {
        encodedShare.made(message.encoded, encodedBytes(message.encoded));
        // The table has served its purpose for this run.
        parsedShare?.release();
        collectGarbage(encodedBytes(message.encoded));
      }
    },
    nextChunk: async () => {
      try {
        return { type: 'chunk', bytes: await chunks.next(), damage: null };
      } catch (error) {
        if (error instanceof DamagedDatasetError) {
          return { type: 'chunk', bytes: null, damage: error.message };
        }
        throw error;
      }
    },
    release: () => {
      parsedShare?.release();
      encodedShare.release();
    },
  };
}
