/**
 * Where threads wait for each other: each counts itself in, the last one starts the next generation. Waiting is a
 * bounded spin, then sleep in short turns; a thread that failed raises a flag, and whoever waits for it traps.
 */
import type { Code, Func, Global, ModuleBuilder } from './assembler.ts';

/** 32-bit words at the address that the threads share, each group on a cache line of its own. */
export const SYNC_BYTES = 192;
const ARRIVED = 0;
const GENERATION = 64;
export const FAILED = 128;
const SLEEPING = 132;
const WORDS = [ARRIVED, GENERATION, FAILED, SLEEPING];

/** Longer than most steps' imbalance, shorter than it takes to fall asleep and be woken (some 50 µs). */
const SPINS = 20_000;
const SLEEP_NANOSECONDS = 1_000_000_000;
/** Turns of sleep before the others are given up. */
const SLEEPS_MAX = 120;

/** Before a run, while no other thread is in it. */
export function resetSync(words: Int32Array, address: number): void {
  for (const word of WORDS) words[(address + word) / 4] = 0;
}

/** Wakes whoever waits for this thread, to fail as well. */
export function failSync(words: Int32Array, address: number): void {
  Atomics.store(words, (address + FAILED) / 4, 1);
  Atomics.notify(words, (address + GENERATION) / 4);
}

/** A function of no arguments; with one thread it must not be called. */
export function emitBarrier(
  module: ModuleBuilder,
  at: { readonly sync: Global; readonly threads: Global },
): Func {
  return module.func(0, (code) => {
    const generation = code.local('i32');
    const spins = code.local('i32');
    const sleeps = code.local('i32');
    const load = (word: number): void => {
      code.getGlobal(at.sync);
      code.atomic('i32.atomic.load', word);
    };
    const trapIfFailed = (code: Code): void => {
      code.block(() => {
        load(FAILED);
        code.op('i32.eqz');
        code.brIf(0);
        code.op('unreachable');
      });
    };
    const add = (word: number, by: number): void => {
      code.getGlobal(at.sync);
      code.i32(by);
      code.atomic('i32.atomic.rmw.add', word);
    };
    /** Leaves the function once the next generation has begun. */
    const returnIfBegun = (): void => {
      code.block(() => {
        load(GENERATION);
        code.get(generation);
        code.op('i32.eq');
        code.brIf(0);
        code.op('return');
      });
    };

    load(GENERATION);
    code.set(generation);
    code.block(() => {
      add(ARRIVED, 1);
      code.i32(1);
      code.op('i32.add');
      code.getGlobal(at.threads);
      code.op('i32.ne');
      code.brIf(0);
      // The last one: nobody else can arrive before the generation changes.
      code.getGlobal(at.sync);
      code.i32(0);
      code.atomic('i32.atomic.store', ARRIVED);
      code.getGlobal(at.sync);
      code.get(generation);
      code.i32(1);
      code.op('i32.add');
      code.atomic('i32.atomic.store', GENERATION);
      code.block(() => {
        // Who goes to sleep counts itself first and looks at the generation again as it falls asleep.
        load(SLEEPING);
        code.op('i32.eqz');
        code.brIf(0);
        code.getGlobal(at.sync);
        code.i32(-1);
        code.atomic('memory.atomic.notify', GENERATION);
        code.op('drop');
      });
      code.op('return');
    });
    code.i32(SPINS);
    code.set(spins);
    code.loop(() => {
      returnIfBegun();
      code.get(spins);
      code.i32(1);
      code.op('i32.sub');
      code.tee(spins);
      code.brIf(0);
    });
    code.i32(SLEEPS_MAX);
    code.set(sleeps);
    code.loop(() => {
      trapIfFailed(code);
      add(SLEEPING, 1);
      code.op('drop');
      code.getGlobal(at.sync);
      code.get(generation);
      code.i64(SLEEP_NANOSECONDS);
      code.atomic('memory.atomic.wait32', GENERATION);
      code.op('drop');
      add(SLEEPING, -1);
      code.op('drop');
      returnIfBegun();
      code.get(sleeps);
      code.i32(1);
      code.op('i32.sub');
      code.tee(sleeps);
      code.brIf(0);
    });
    code.op('unreachable');
  });
}
