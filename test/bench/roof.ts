/**
 * How fast this machine multiplies and adds at best. It takes turns with the engines as if it were one, so that it
 * meets the same clock; a step is 10⁶ operations of all threads together. Argument: threads.
 */
import { Worker } from 'node:worker_threads';
import { openRoof } from './roof-loop.ts';
import { SHARED } from './roof-thread.ts';
import type { Trainee } from './trainee.ts';

const FLOPS_PER_STEP = 1e6;
/** Of each thread between two meetings: some 20 ms, which hide the meeting. */
const FLOPS_PER_CALL = 2e9;

/** GFLOP/s of a roof's fastest sample. */
export const roofOf = (microsecondsPerStep: number): number => FLOPS_PER_STEP / (microsecondsPerStep * 1000);

export async function createTrainee(args: readonly string[]): Promise<Trainee> {
  const threads = Number(args[0]);
  const { isa, flopsPerTurn, run } = openRoof();
  const turns = Math.round(FLOPS_PER_CALL / flopsPerTurn);
  const shared = new Int32Array(new SharedArrayBuffer(SHARED.length * Int32Array.BYTES_PER_ELEMENT));
  shared[SHARED.turns] = turns;
  for (let thread = 1; thread < threads; thread++) {
    new Worker(new URL('./roof-thread.js', import.meta.url), { workerData: shared });
  }
  let generation = 0;
  const call = (): void => {
    generation++;
    Atomics.store(shared, SHARED.generation, generation);
    Atomics.notify(shared, SHARED.generation);
    run(turns);
    const expected = generation * (threads - 1);
    for (let done = 0; done < expected; ) {
      done = Atomics.load(shared, SHARED.finished);
      if (done < expected) Atomics.wait(shared, SHARED.finished, done);
    }
  };
  const steps = Math.round((turns * flopsPerTurn * threads) / FLOPS_PER_STEP);
  return {
    version: isa,
    notes: ['separate multiplications and additions'],
    modes: () => ['loop'],
    prepare: async () => () => {
      call();
      return steps;
    },
  };
}
