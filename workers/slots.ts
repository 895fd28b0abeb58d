// The training threads of this process. A thread trains one run at a time and is used again; one is kept started
// and idle while there is a slot for it, so that a run never waits for modules to load.
import { MessageChannel, Worker } from 'node:worker_threads';
import { armedFailpoints } from '../src/failpoints.ts';
import type { Log } from '../src/log.ts';
import {
  type ChunkMessage,
  control,
  controlBytes,
  type StartMessage,
  type ThreadMessage,
  threadMessage,
  type VerifyMessage,
} from './protocol.ts';
import { handedOver } from './spare-buffers.ts';

export interface TrainingThread {
  /** The memory shared with the thread; see `control`. */
  readonly shared: Int32Array;
  /** `onDeath`: the thread is gone, with the error's code where it has one. Then nothing follows. */
  start(
    message: StartMessage | VerifyMessage,
    onMessage: (message: ThreadMessage) => void,
    onDeath: (death: { code: string | null; error: unknown }) => void,
  ): void;
  /** Answers the thread's wish for more; the bytes' buffer is given away. */
  sendChunk(message: ChunkMessage): void;
  /** The memory of a state that is stored may be used for the next one. */
  giveBack(state: Uint8Array): void;
  /** Asks for a stop at the next chunk of steps. */
  stop(): void;
  /** Ends the thread wherever it is; `onDeath` is not called. */
  terminate(): Promise<void>;
}

export interface ThreadPool {
  /** A thread of one's own, until it is given back or terminated. */
  acquire(): TrainingThread;
  /** Only after the message that ends a run. */
  release(thread: TrainingThread): void;
  close(): Promise<void>;
}

export interface ThreadOptions {
  readonly entry?: URL;
  /** Of a thread's objects; what it computes with lies outside. A thread that wants more ends, alone. */
  readonly heapMegabytesMax?: number;
  /** Shared evenly by the trainings that are under way; 1 unless told. */
  readonly cores?: number;
}

/** Above what compiling the largest network takes. */
const heapMegabytesDefault = 1_536;

export function createThreadPool(slots: number, log: Log, options: ThreadOptions = {}): ThreadPool {
  const idle = new Set<Thread>();
  const all = new Set<Thread>();
  const { cores = 1 } = options;
  let closed = false;

  const shareCores = (): void => {
    const busy = [...all].filter((thread) => !idle.has(thread));
    const share = Math.max(1, Math.floor(cores / Math.max(1, busy.length)));
    for (const { shared } of busy) {
      Atomics.store(shared, control.threads, share);
    }
  };

  const spawn = (): Thread => {
    const thread = startThread(log, options, () => {
      idle.delete(thread);
      all.delete(thread);
      shareCores();
    });
    all.add(thread);
    return thread;
  };
  const warm = (): void => {
    if (!closed && idle.size === 0 && all.size < slots) {
      idle.add(spawn());
    }
  };

  warm();
  return {
    acquire: () => {
      const [thread = spawn()] = idle;
      idle.delete(thread);
      shareCores();
      // After this run's start, not before it: loading modules takes a core.
      setTimeout(warm, 1_000).unref();
      return thread;
    },
    release: (thread) => {
      const own = [...all].find((candidate) => candidate === thread);
      if (own !== undefined) {
        own.reset();
        idle.add(own);
        shareCores();
      }
    },
    close: async () => {
      closed = true;
      await Promise.all([...all].map((thread) => thread.terminate()));
    },
  };
}

interface Thread extends TrainingThread {
  reset(): void;
}

function startThread(log: Log, options: ThreadOptions, onGone: () => void): Thread {
  const { entry = new URL('./thread.js', import.meta.url), heapMegabytesMax = heapMegabytesDefault } =
    options;
  const buffer = new SharedArrayBuffer(controlBytes);
  const shared = new Int32Array(buffer);
  const { port1: ours, port2: spares } = new MessageChannel();
  // Nothing of the process's surroundings is the engine's business.
  const worker = new Worker(entry, {
    workerData: { buffer, failpoints: armedFailpoints(), spares },
    transferList: [spares],
    env: {},
    argv: [],
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: heapMegabytesMax },
  });
  let onMessage: (message: ThreadMessage) => void = () => undefined;
  let onDeath: ((death: { code: string | null; error: unknown }) => void) | null = null;
  let failure: unknown = null;

  worker.on('message', (data: unknown) => {
    const parsed = threadMessage.safeParse(data);
    if (parsed.success) {
      onMessage(parsed.data);
    } else {
      log.error({ err: parsed.error }, 'a training thread sent a message that makes no sense');
      void worker.terminate();
    }
  });
  worker.on('error', (error: unknown) => {
    failure = error;
  });
  worker.on('exit', (exitCode) => {
    ours.close();
    onGone();
    const error = failure ?? new Error(`the thread ended with code ${exitCode}`);
    const tell = onDeath;
    onDeath = null;
    tell?.({ code: errorCode(error), error });
  });

  return {
    shared,
    start: (message, hear, mourn) => {
      onMessage = hear;
      onDeath = mourn;
      if (message.type === 'start') Atomics.store(shared, control.committed, message.storedEpoch);
      worker.postMessage(message);
    },
    sendChunk: (message) => {
      worker.postMessage(message, message.bytes === null ? [] : handedOver(message.bytes));
    },
    giveBack: ({ buffer }) => {
      if (buffer instanceof SharedArrayBuffer) ours.postMessage(buffer);
    },
    stop: () => {
      Atomics.store(shared, control.stop, 1);
      Atomics.notify(shared, control.committed);
    },
    terminate: async () => {
      onMessage = () => undefined;
      onDeath = null;
      await worker.terminate();
    },
    reset: () => {
      onMessage = () => undefined;
      onDeath = null;
      shared.fill(0);
    },
  };
}

function errorCode(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}
