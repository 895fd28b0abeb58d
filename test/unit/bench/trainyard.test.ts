import { expect, it } from 'vitest';
import { jobNames } from '../../bench/jobs.ts';
import { createTrainee } from '../../bench/trainyard.ts';

it('trains whole epochs of full batches', async () => {
  const trainee = await createTrainee(['wasm', '1']);
  const epoch = await trainee.prepare('C', 'run');
  expect(await epoch(Number.POSITIVE_INFINITY)).toBe(1000);
  expect(await epoch(Number.POSITIVE_INFINITY)).toBe(1000);
});

it.each(jobNames)('trains some steps of job %s when there is no time for more', async (name) => {
  const trainee = await createTrainee(['wasm', '1']);
  const epoch = await trainee.prepare(name, 'run');
  const steps = await epoch(0);
  expect(steps).toBeGreaterThan(0);
  if (name === 'B') expect(steps).toBeLessThan(78);
});
