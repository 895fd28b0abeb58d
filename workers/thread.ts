// The entry of a training thread: engine only. It has no database, no queue and no network; it is started ahead
// of need, so that the engine's modules are loaded when a run arrives.
import { parentPort, workerData } from 'node:worker_threads';
import { joinFailpoints } from '../src/failpoints.ts';
import { isOutOfMemory, outOfMemory } from './out-of-memory.ts';
import { type ChunkMessage, type ThreadMessage, workerMessage } from './protocol.ts';
import { createSpareBuffers } from './spare-buffers.ts';
import { train } from './training.ts';
import { verify } from './verify.ts';

const port = parentPort;
if (port === null) {
  throw new Error('thread.ts runs as a worker thread only');
}
const shared = new Int32Array(workerData.buffer);
joinFailpoints(workerData.failpoints);
const spares = createSpareBuffers(workerData.spares);

const post = (message: ThreadMessage, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);

const internalError = {
  code: 'internalError',
  detail: 'The training stopped because of an error of the service.',
} as const;

let deliver: (chunk: ChunkMessage) => void = () => undefined;
const nextChunk = (): Promise<ChunkMessage> => {
  post({ type: 'more' });
  return new Promise((resolve) => {
    deliver = resolve;
  });
};

port.on('message', async (data: unknown) => {
  try {
    const message = workerMessage.parse(data);
    if (message.type === 'chunk') {
      deliver(message);
    } else if (message.type === 'verify') {
      await verify(message, shared, post, nextChunk);
    } else {
      await train(message, shared, post, nextChunk, spares);
    }
  } catch (error) {
    const failure = isOutOfMemory(error) ? outOfMemory : internalError;
    post({
      type: 'failed',
      ...failure,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }
});
