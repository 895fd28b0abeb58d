// What is asked and told between two chunks of a training's steps, in memory shared with the worker's main thread.
import type { EpochControl } from '../src/engine/epoch.ts';
import { failpoint } from '../src/failpoints.ts';
import { control } from './protocol.ts';
import type { TrainingCrew } from './training-crew.ts';

/** Heeds the stop and the number of threads; counts the steps, by which the training is seen to be alive. */
export function stepControl(shared: Int32Array, crew: TrainingCrew): EpochControl {
  return {
    shouldStop: () => {
      crew.allow(Atomics.load(shared, control.threads));
      return Atomics.load(shared, control.stop) !== 0;
    },
    onSteps: (steps) => {
      Atomics.add(shared, control.steps, steps);
      failpoint('thread.step');
    },
  };
}
