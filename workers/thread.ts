// The entry of a training thread: engine only. It has no database, no queue and no network; it is started ahead
// of need, so that the engine's modules are loaded when a run arrives.
import { parentPort, workerData } from 'node:worker_threads';
import { startMessage, type ThreadMessage } from './protocol.ts';
import { train } from './training.ts';

const port = parentPort;
if (port === null) {
  throw new Error('thread.ts runs as a worker thread only');
}
const shared = new Int32Array(workerData);

port.on('message', async (data: unknown) => {
  const post = (message: ThreadMessage, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);
  try {
    await train(startMessage.parse(data), shared, post);
  } catch (error) {
    post({
      type: 'failed',
      code: 'internalError',
      detail: 'The training stopped because of an error of the service.',
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }
});
