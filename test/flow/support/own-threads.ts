// Training "threads" that are no threads: the same code as in one, run here, so that a test can watch what it says.
import { MessageChannel } from 'node:worker_threads';
import {
  type ChunkMessage,
  control,
  controlBytes,
  type StartMessage,
  type ThreadMessage,
} from '../../../workers/protocol.ts';
import type { ThreadPool, TrainingThread } from '../../../workers/slots.ts';
import { createSpareBuffers } from '../../../workers/spare-buffers.ts';
import { train } from '../../../workers/training.ts';
import { verify } from '../../../workers/verify.ts';

export interface OwnThreads extends ThreadPool {
  /** Whatever any of them was given. */
  readonly starts: StartMessage[];
  /** Whatever any of them said. */
  readonly heard: ThreadMessage[];
}

export function createOwnThreads(): OwnThreads {
  const starts: StartMessage[] = [];
  const heard: ThreadMessage[] = [];
  const acquire = (): TrainingThread => {
    const shared = new Int32Array(new SharedArrayBuffer(controlBytes));
    const { port1, port2 } = new MessageChannel();
    let deliver: (chunk: ChunkMessage) => void = () => undefined;
    return {
      shared,
      start: (message, onMessage) => {
        Atomics.store(shared, control.threads, 1);
        const post = (said: ThreadMessage) => {
          heard.push(said);
          queueMicrotask(() => onMessage(said));
        };
        const nextChunk = () =>
          new Promise<ChunkMessage>((resolve) => {
            deliver = resolve;
            post({ type: 'more' });
          });
        if (message.type === 'verify') {
          void verify(message, shared, post, nextChunk);
          return;
        }
        starts.push(message);
        Atomics.store(shared, control.committed, message.storedEpoch);
        void train(message, shared, post, nextChunk, createSpareBuffers(port2));
      },
      sendChunk: (chunk) => deliver(chunk),
      giveBack: ({ buffer }) => port1.postMessage(buffer),
      stop: () => {
        Atomics.store(shared, control.stop, 1);
      },
      terminate: async () => undefined,
    };
  };
  return { starts, heard, acquire, release: () => undefined, close: async () => undefined };
}
