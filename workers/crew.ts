// The threads that help one thread with its executors. They are started when first there is work for them, once, and
// take one seat after another; between programs they sleep at a doorbell. All of it blocks: an executor's run is one
// synchronous call.
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { Crew, Seat } from '../src/engine/crew.ts';
import type { ProgramName } from '../src/engine/kernels.ts';
import {
  type CrewMemory,
  callArgumentsMax,
  crewCommand,
  crewMemory,
  crewMemoryBytes,
  crewPrograms,
  crewWords,
  waitForChange,
} from './crew-protocol.ts';

export interface OwnedCrew extends Crew {
  /** From the next program on, so many threads share the work; all of them unless told. */
  use(active: number): void;
  readonly hash: CrewHash;
  /** Ends the threads; nothing else may be called afterwards. */
  close(): Promise<void>;
}

/** A hash that another thread takes of values while they are written to memory that is shared. */
export interface CrewHash {
  /** False: nobody is there for it. */
  begin(values: Float32Array): boolean;
  /** The first `count` of them are there. */
  filled(count: number): void;
  /** SHA-256 in hexadecimal, once all are there. */
  finish(): string;
  /** It is not wanted any more, if it was begun. */
  cancel(): void;
}

export interface CrewOptions {
  readonly entry?: URL;
  /** As if told by `use`. With 1 no thread is started before there is work for more. */
  readonly active?: number;
}

interface Helper {
  readonly thread: number;
  readonly worker: Worker;
  readonly port: MessagePort;
  /** Why it is gone. */
  death: Error | null;
}

/** A thread that does not answer for so long is given up; at first it may have to load its modules. */
const ATTACH_SECONDS_MAX = 30;
const FINISH_SECONDS_MAX = 120;

/** A crew of `threads` including the caller; throws RangeError below 2. The threads end with the one that made it. */
export function createCrew(threads: number, options: CrewOptions = {}): OwnedCrew {
  if (threads < 2) throw new RangeError(`a crew of ${threads}`);
  const buffer = new SharedArrayBuffer(crewMemoryBytes(threads));
  const memory = crewMemory(buffer, threads);
  let helpers: readonly Helper[] = [];
  let seat: Seat | null = null;
  /** Whether the helpers have taken the seat. */
  let seated = false;
  let running = false;
  let hashing = false;
  let active = Math.max(1, Math.min(options.active ?? threads, threads));

  const ring = (command: number): void => {
    for (const { thread, death } of helpers) {
      if (death !== null) throw new Error(`thread ${thread} of the crew is gone`, { cause: death });
    }
    memory.words[crewWords.command] = command;
    Atomics.add(memory.words, crewWords.door, 1);
    Atomics.notify(memory.words, crewWords.door);
  };
  /** Waits for all, then throws what the first of them has failed with. */
  const gather = (secondsMax: number): void => {
    const failures = helpers.map((helper) => answerOf(memory, helper, secondsMax));
    const [failure] = failures.filter((f) => f !== null);
    if (failure !== undefined) throw failure;
  };
  /** A thread takes a dozen megabytes, working or not. */
  const start = (): void => {
    helpers = Array.from({ length: threads - 1 }, (_, i) => startHelper(i + 1, threads, buffer, options));
  };
  const sit = (taken: Seat): void => {
    if (helpers.length === 0) start();
    for (const { port } of helpers) port.postMessage(taken);
    ring(crewCommand.attach);
    gather(ATTACH_SECONDS_MAX);
    seated = true;
  };

  /** What the thread that hashes has said at its end, if anything. */
  const ended = (): unknown => {
    hashing = false;
    gather(FINISH_SECONDS_MAX);
    return helpers[0] && receiveMessageOnPort(helpers[0].port)?.message;
  };
  const hash: CrewHash = {
    begin(values) {
      hash.cancel();
      if (!seated || running || active < 2) return false;
      helpers[0]?.port.postMessage(values);
      Atomics.store(memory.words, crewWords.filled, 0);
      ring(crewCommand.hash);
      hashing = true;
      return true;
    },
    filled(count) {
      Atomics.store(memory.words, crewWords.filled, count);
      Atomics.notify(memory.words, crewWords.filled);
    },
    finish() {
      if (!hashing) throw new Error('the crew takes no hash');
      const digest = ended();
      if (typeof digest !== 'string') throw new Error('the crew gave no hash');
      return digest;
    },
    cancel() {
      if (!hashing) return;
      hash.filled(-1);
      ended();
    },
  };

  if (active > 1) start();
  return {
    hash,
    threads,
    get active() {
      return active;
    },
    use(wanted) {
      active = Math.max(1, Math.min(wanted, threads));
    },
    attach(taken: Seat) {
      if (seat !== null) throw new Error('the crew has a seat');
      if (active > 1) sit(taken);
      seat = taken;
    },
    begin(program: ProgramName, call: readonly number[]) {
      if (seat === null || running) throw new Error(running ? 'the crew is at work' : 'the crew has no seat');
      if (call.length > callArgumentsMax) throw new RangeError(`${call.length} arguments of a call`);
      hash.cancel();
      if (!seated) sit(seat);
      memory.words[crewWords.program] = crewPrograms.indexOf(program);
      memory.words[crewWords.argumentCount] = call.length;
      memory.words[crewWords.active] = active;
      memory.call.set(call);
      ring(crewCommand.run);
      running = true;
    },
    finish() {
      if (!running) throw new Error('the crew is not at work');
      running = false;
      gather(FINISH_SECONDS_MAX);
    },
    detach() {
      seat = null;
      if (!seated) return;
      hash.cancel();
      seated = false;
      ring(crewCommand.detach);
      gather(FINISH_SECONDS_MAX);
    },
    async close() {
      seat = null;
      seated = false;
      await Promise.all(helpers.map(({ worker }) => worker.terminate()));
    },
  };
}

function startHelper(
  thread: number,
  threads: number,
  buffer: SharedArrayBuffer,
  { entry = new URL('./crew-thread.js', import.meta.url) }: CrewOptions,
): Helper {
  const { port1: port, port2: theirs } = new MessageChannel();
  const worker = new Worker(entry, {
    workerData: { buffer, port: theirs, thread, threads },
    transferList: [theirs],
    env: {},
    argv: [],
    execArgv: [],
  });
  const helper: Helper = { thread, worker, port, death: null };
  worker.on('error', (error: unknown) => {
    helper.death = error instanceof Error ? error : new Error(String(error));
  });
  worker.on('exit', (code) => {
    helper.death ??= new Error(`it ended with code ${code}`);
  });
  // Neither keeps the process alive.
  worker.unref();
  port.unref();
  return helper;
}

/** Waits for a helper to finish the current command. Null, or what it failed with. */
function answerOf({ words }: CrewMemory, { thread, port }: Helper, secondsMax: number): Error | null {
  const wanted = Atomics.load(words, crewWords.door);
  const word = crewWords.answer(thread);
  // In turns: a process that was stopped for a while is not late.
  for (let turn = 0; turn < secondsMax; turn++) {
    const answer = Atomics.load(words, word);
    if (answer === wanted) {
      if (Atomics.load(words, crewWords.failed(thread)) === 0) return null;
      const reason: unknown = receiveMessageOnPort(port)?.message;
      return new Error(`thread ${thread}: ${reason instanceof Error ? reason.message : String(reason)}`, {
        cause: reason,
      });
    }
    waitForChange(words, word, answer, 1_000);
  }
  return new Error(`thread ${thread} of the crew does not answer`);
}
