import { expect, it } from 'vitest';
import { createPlan } from '../../../src/engine/plan.ts';
import { featuresOf, flopsPerStep, type JobName, readJobs } from '../../bench/jobs.ts';
import { specOf } from '../../bench/trainyard.ts';

const jobs = readJobs();

const planned = (name: JobName): number => {
  const job = jobs[name];
  return createPlan(specOf(job), { features: featuresOf(job), targets: job.outputs }).programs.train.flops;
};

it.each(['A', 'B', 'C', 'D'] as const)('counts the operations of job %s as our own plan does', (name) => {
  expect(flopsPerStep(jobs[name])).toBe(planned(name));
});

it('counts no product with the border that a convolution’s gradient is padded with', () => {
  // The second convolution's 11·11 positions, where the gradient of its data visits all 13·13.
  const border = 2 * 64 * (169 - 121) * 9 * 32 * 16;
  expect(flopsPerStep(jobs.E)).toBe(planned('E') - border);
});

it('counts a multiplication and an addition of each product: forward, and backward but for the data', () => {
  // 784·128 has two products, 128·10 has three.
  expect(flopsPerStep(jobs.A)).toBe(2 * 32 * (2 * 784 * 128 + 3 * 128 * 10));
  // 26·26 positions of 3·3·1 · 16, 11·11 of 3·3·16 · 32, and 5·5·32 · 10.
  expect(flopsPerStep(jobs.E)).toBe(2 * 64 * (2 * 676 * 144 + 3 * 121 * 4608 + 3 * 8000));
});
