// Threads of a crew with back ends that fail on purpose, or do not come back by themselves.
import { MessagePort, parentPort, workerData } from 'node:worker_threads';
import { z } from 'zod';
import type { TakeSeat } from '../../../src/engine/crew.ts';
import { createCrew } from '../../../workers/crew.ts';
import { serveCrew } from '../../../workers/crew-loop.ts';

const place = z.object({
  buffer: z.instanceof(SharedArrayBuffer),
  port: z.instanceof(MessagePort),
  thread: z.int(),
  threads: z.int(),
});
const owner = z.object({ crewEntry: z.string() });

/** Writes its number and arguments to shared memory; fails when the first argument says that it is to. */
const takeSharedSeat: TakeSeat = (seat, { thread }) => {
  const shared = z.instanceof(Int32Array).parse(seat.shared);
  return {
    run: (program, [failing, value = 0], active) => {
      if (failing === thread) throw new RangeError(`${program} fails here`);
      Atomics.store(shared, thread, active * 1000 + value);
    },
  };
};

const takeNoSeat: TakeSeat = (_, { thread }) => {
  if (thread === 1) throw new Error('cannot sit here');
  return { run: () => undefined };
};

const takeEndlessSeat: TakeSeat = (seat) => {
  const shared = z.instanceof(Int32Array).parse(seat.shared);
  return {
    run: () => {
      Atomics.store(shared, 0, 1);
      for (;;) Atomics.load(shared, 1);
    },
  };
};

const asOwner = owner.safeParse(workerData);
if (asOwner.success) {
  // An owner in the middle of a program that does not end.
  const crew = createCrew(3, { entry: new URL(asOwner.data.crewEntry) });
  const shared = new Int32Array(new SharedArrayBuffer(8));
  crew.attach({ backend: 'endless', shared });
  crew.begin('train', []);
  while (Atomics.load(shared, 0) === 0) Atomics.wait(shared, 0, 0, 10);
  parentPort?.postMessage('running');
  crew.finish();
} else {
  serveCrew(place.parse(workerData), {
    shared: takeSharedSeat,
    none: takeNoSeat,
    endless: takeEndlessSeat,
  });
}
