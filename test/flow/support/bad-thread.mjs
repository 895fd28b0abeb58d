// A training thread that comes to grief after one epoch, in the way that the spec asks for.
import { parentPort } from 'node:worker_threads';

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
    loop: () => {
      for (;;) {}
    },
    exhaust: () => {
      const hoard = [];
      for (;;) hoard.push(new Array(1000).fill(hoard.length));
    },
  };
  ends[spec.end]();
});
