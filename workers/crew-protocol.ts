// What a crew's threads share: a doorbell with the command that it rings for, an answer per thread, and the arguments
// of the current call. Seats and errors travel by message port and are there before the word that announces them.
import type { ProgramName } from '../src/engine/kernels.ts';

/** Words of the control memory. Each thread's answer lies on a cache line of its own. */
export const crewWords = {
  /** Counts the commands so far. */
  door: 0,
  command: 1,
  program: 2,
  argumentCount: 3,
  /** How many threads share the program. */
  active: 4,
  /** How many of the values to be hashed are there; below 0: they are not wanted any more. */
  filled: 5,
  /** The last command that the thread has finished. */
  answer: (thread: number) => 16 * thread,
  /** 1: the command failed, and the port has the reason. */
  failed: (thread: number) => 16 * thread + 1,
} as const;

export const crewCommand = { attach: 1, run: 2, detach: 3, hash: 4 } as const;
export const crewPrograms: readonly ProgramName[] = ['train', 'evaluate', 'predict'];
export const callArgumentsMax = 32;

export interface CrewMemory {
  readonly words: Int32Array;
  readonly call: Float64Array;
}

export const crewMemoryBytes = (threads: number): number =>
  16 * threads * Int32Array.BYTES_PER_ELEMENT + callArgumentsMax * Float64Array.BYTES_PER_ELEMENT;

export function crewMemory(buffer: SharedArrayBuffer, threads: number): CrewMemory {
  const words = new Int32Array(buffer, 0, 16 * threads);
  return { words, call: new Float64Array(buffer, words.byteLength, callArgumentsMax) };
}

/** Looks again and again before it sleeps: being woken takes some 50 µs. */
const SPINS = 20_000;

/** Returns when the word no longer has the value, or after so many milliseconds of sleep. */
export function waitForChange(words: Int32Array, word: number, value: number, sleepMs: number): void {
  for (let spin = 0; spin < SPINS; spin++) if (Atomics.load(words, word) !== value) return;
  Atomics.wait(words, word, value, sleepMs);
}
