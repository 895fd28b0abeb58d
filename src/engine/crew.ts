/**
 * Several threads on one executor. The executor's own thread is number 0; the others run their share of the same
 * program with the same arguments and meet it at the program's barriers (schedule.ts). How threads are started is not
 * the engine's business: it is given a Crew, and tells every other thread how to take a seat.
 */
import type { ProgramName } from './kernels.ts';

/** What another thread needs to join an executor. It is structured-cloned; the memory it names stays shared. */
export interface Seat {
  readonly backend: string;
  readonly [part: string]: unknown;
}

/** One thread's own way into an executor. `active`: how many threads share the program. */
export interface Member {
  run(program: ProgramName, call: readonly number[], active: number): void;
}

/** Of each back end that can run on several threads. `thread` is from 1. */
export type TakeSeat = (seat: Seat, at: { readonly thread: number }) => Member;

export interface Crew {
  /** All of them, the caller included. */
  readonly threads: number;
  /** How many of them share the next program: 1 to `threads`. It may change between programs, and no result with it. */
  readonly active: number;
  /** The others take the seat: at once, or when they first share a program. Throws if one could not. */
  attach(seat: Seat): void;
  /** The others begin a program; returns at once, if they have the seat. Throws if one could not take it. */
  begin(program: ProgramName, call: readonly number[]): void;
  /** Returns when the others have finished; throws if one failed. */
  finish(): void;
  /** The others leave the seat. */
  detach(): void;
}
