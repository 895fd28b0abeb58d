/** A further thread of the roof: runs the loop each time the generation moves. */
import { workerData } from 'node:worker_threads';
import { openRoof } from './roof-loop.ts';

/** Words that the threads share. */
export const SHARED = { generation: 0, finished: 1, turns: 2, length: 3 } as const;

/** Returns never: the process ends it. */
function serveTurns(shared: Int32Array): void {
  const { run } = openRoof();
  for (let seen = 0; ; ) {
    Atomics.wait(shared, SHARED.generation, seen);
    const generation = Atomics.load(shared, SHARED.generation);
    if (generation === seen) continue;
    seen = generation;
    run(Atomics.load(shared, SHARED.turns));
    Atomics.add(shared, SHARED.finished, 1);
    Atomics.notify(shared, SHARED.finished);
  }
}

if (workerData instanceof Int32Array) serveTurns(workerData);
