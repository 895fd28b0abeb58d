// What the worker process and its training threads say to each other. Messages are parsed where they arrive;
// what must act within milliseconds, or must not need the thread's event loop, lies in shared memory.
import { z } from 'zod';
import { encodedData, parsedData } from './shared-data.ts';

/** Slots of the shared Int32Array. */
export const control = {
  /** Worker → thread: 1 stops the training at its next chunk. */
  stop: 0,
  /** Thread → worker: counts training steps, wrapping; it moves while the training is alive. */
  steps: 1,
  /** Worker → thread: the last epoch that is stored. */
  committed: 2,
  /** Worker → thread: storing the last checkpoint took so many ms. */
  checkpointCostMs: 3,
  /** Worker → thread: how many threads this training may have now. */
  threads: 4,
  /** Worker → thread: counts the checkpoints that were stored, or passed over for a newer one. */
  checkpointsDone: 5,
} as const;
export const controlBytes = 6 * Int32Array.BYTES_PER_ELEMENT;

/** The thread waits when it is this many epochs ahead of what is stored. */
export const epochsAheadMax = 256;

const bytes = z.instanceof(Uint8Array<ArrayBufferLike>);
const storedBytes = z.object({
  epoch: z.int(),
  stepsWithin: z.int(),
  /** Spent on those steps. */
  withinMs: z.number(),
  bytes,
});
export type StoredBytes = z.output<typeof storedBytes>;
const storedModel = storedBytes.extend({ sha256: z.string() });

const startData = z.discriminatedUnion('from', [
  /** They come one by one, each when the thread wants `more`. */
  z.object({ from: z.literal('chunks'), rowCount: z.int(), categorical: z.array(z.string()) }),
  z.object({ from: z.literal('parsed'), parsed: parsedData }),
  z.object({ from: z.literal('encoded'), encoded: encodedData }),
]);
export type StartData = z.output<typeof startData>;

/** Worker → thread: train this. One run at a time; the answer that ends it is `stopped`, `finished` or `failed`. */
export const startMessage = z.object({
  type: z.literal('start'),
  spec: z.unknown(),
  backend: z.enum(['native', 'wasm', 'interpreter']),
  /** The most threads that a training may ever have. */
  threadsMax: z.int(),
  data: startData,
  /** Where to go on from. */
  checkpoint: storedBytes.nullable(),
  /** The last stored epoch, and what all of them took. */
  storedEpoch: z.int(),
  trainedMs: z.number(),
});
export type StartMessage = z.output<typeof startMessage>;

/** Worker → thread: hold what is stored of a run against its hashes, and against a training from the same recipe. */
export const verifyMessage = z.object({
  type: z.literal('verify'),
  spec: z.unknown(),
  backend: z.enum(['native', 'wasm', 'interpreter']),
  threadsMax: z.int(),
  data: startData,
  fromEpoch: z.int(),
  toEpoch: z.int(),
  contentSha256: z.string(),
  recipeSha256: z.string(),
  /** As recorded at the end. */
  weightsSha256: z.string().nullable(),
  stopReason: z.string().nullable(),
  /** The lists are by epoch, and unverified. */
  stored: z.object({
    epochs: z.custom<readonly number[]>(Array.isArray),
    weightsSha256: z.custom<readonly string[]>(Array.isArray),
    chainSha256: z.custom<readonly string[]>(Array.isArray),
    /** Of the chain. */
    head: z.string(),
    /** The first epoch in question whose training state is not what was stored; null where there is none. */
    damaged: z.int().nullable(),
    /** To start from: after an epoch before those in question, its bytes being what was stored. */
    state: storedBytes.nullable(),
    /** Unverified. */
    model: storedModel.nullable(),
  }),
});
export type VerifyMessage = z.output<typeof verifyMessage>;

/** Worker → thread: a piece of the dataset's file; null after the last. */
export const chunkMessage = z.object({
  type: z.literal('chunk'),
  bytes: bytes.nullable(),
  /** Why there is nothing more to read, for the client. */
  damage: z.string().nullable(),
});
export type ChunkMessage = z.output<typeof chunkMessage>;

export const workerMessage = z.discriminatedUnion('type', [startMessage, verifyMessage, chunkMessage]);

const stopReason = z.enum(['completed', 'earlyStopped', 'budget', 'diverged']);

const finishedEpoch = z.object({
  epoch: z.int(),
  metrics: z.custom<Readonly<Record<string, number>>>(
    (value) => typeof value === 'object' && value !== null && Object.values(value).every(isNumber),
  ),
  diverged: z.boolean(),
  durationMs: z.number(),
  weightsSha256: z.string(),
  bestEpoch: z.int().nullable(),
});
export type FinishedEpochMessage = z.output<typeof finishedEpoch>;

/** Consecutive epochs, and the state after one of them, or within the next, if it is to be kept. */
const epochGroup = { epochs: z.array(finishedEpoch), checkpoint: storedBytes.nullable() };

export const threadMessage = z.discriminatedUnion('type', [
  /** Send the next chunk. */
  z.object({ type: z.literal('more') }),
  /** For other runs on the same data. */
  z.object({ type: z.literal('parsed'), parsed: parsedData }),
  z.object({ type: z.literal('encoded'), encoded: encodedData }),
  /** Data and plan are ready: from here on the step counter moves. */
  z.object({ type: z.literal('prepared'), epoch: z.int() }),
  /** Something a client should know. */
  z.object({ type: z.literal('log'), message: z.string() }),
  z.object({ type: z.literal('epochs'), ...epochGroup }),
  /** The last epoch is trained; the final numbers are being computed. */
  z.object({ type: z.literal('finishing') }),
  z.object({ type: z.literal('stopped'), checkpoint: storedBytes.nullable() }),
  z.object({
    type: z.literal('finished'),
    /** What was not told before. */
    ...epochGroup,
    stopReason,
    results: z.unknown(),
    weightsSha256: z.string(),
    bestEpoch: z.int().nullable(),
    model: storedModel,
  }),
  z.object({
    type: z.literal('verified'),
    verdict: z.enum(['equal', 'differs']),
    firstDifferentEpoch: z.int().nullable(),
    /** For the client. */
    detail: z.string(),
    replayedFrom: z.int().nullable(),
  }),
  z.object({
    type: z.literal('failed'),
    code: z.enum(['invalidData', 'outOfMemory', 'internalError']),
    /** For the client. */
    detail: z.string(),
    /** For the log. */
    error: z.unknown(),
  }),
]);
export type ThreadMessage = z.output<typeof threadMessage>;
export type EndMessage = Extract<ThreadMessage, { type: 'stopped' | 'finished' | 'failed' }>;

function isNumber(value: unknown): boolean {
  return typeof value === 'number';
}
