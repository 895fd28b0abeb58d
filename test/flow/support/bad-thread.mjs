// A training thread that comes to grief after one epoch, in the way that the spec asks for.
import { parentPort, workerData } from 'node:worker_threads';

const shared = new Int32Array(workerData.buffer);
/** In the protocol's shared memory; of the second nobody tells this thread. */
const stop = 0;
const untold = 5;

/** What a large model takes a while to put into bytes. */
function lateState() {
  while (Atomics.load(shared, stop) === 0) Atomics.wait(shared, stop, 0, 10);
  Atomics.wait(shared, untold, 0, 3_300);
  const bytes = new Uint8Array([1, 2, 3]);
  return { epoch: 1, stepsWithin: 4, withinMs: 1, bytes };
}

parentPort.on('message', ({ spec }) => {
  parentPort.postMessage({ type: 'prepared', epoch: 0 });
  parentPort.postMessage({
    type: 'epochs',
    epochs: [
      {
        epoch: 1,
        metrics: { loss: 1 },
        diverged: false,
        durationMs: 1,
        weightsSha256: 'first',
        bestEpoch: null,
      },
    ],
    checkpoint: null,
  });
  const ends = {
    exit: () => process.exit(3),
    throw: () => {
      throw new Error('a trap');
    },
    nonsense: () => parentPort.postMessage({ type: 'epochs', epochs: 'two' }),
    dawdle: () => parentPort.postMessage({ type: 'stopped', checkpoint: lateState() }),
    loop: () => {
      for (;;) {}
    },
    exhaust: () => {
      const hoard = [];
      // Not by built-ins: in a loop of built-in calls alone a newer V8 does not look whether the thread is to end.
      for (;;) {
        const numbers = new Array(1000);
        for (let i = 0; i < numbers.length; i++) numbers[i] = hoard.length + i;
        hoard.push(numbers);
      }
    },
  };
  ends[spec.end]();
});
