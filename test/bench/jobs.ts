/**
 * What every engine trains: the jobs of jobs.json, which the peers read as well, on synthetic rows. A convolution is
 * 3 × 3 without padding, followed by the activation and a max pooling of 2 × 2.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { packageRoot } from '../../src/package-root.ts';

/** Rows of every job's dataset; an epoch leaves out a last batch that is not full. */
export const ROWS = 10_000;

const KERNEL = 3;
const POOL = 2;

export const jobNames = ['A', 'B', 'C', 'D', 'E'] as const;
export const jobName = z.enum(jobNames);
export type JobName = z.infer<typeof jobName>;

const job = z.strictObject({
  title: z.string(),
  /** Of one sample: [features], or [height, width, channels]. */
  shape: z.array(z.int().positive()).min(1),
  /** Filters of each. */
  convolutions: z.array(z.int().positive()),
  /** Units of each hidden layer: dense, batch norm, activation, dropout. */
  dense: z.array(z.int().positive()),
  outputs: z.int().positive(),
  activation: z.enum(['relu', 'tanh']),
  outputActivation: z.enum(['linear', 'tanh']),
  batchNorm: z.boolean(),
  dropout: z.number(),
  loss: z.enum(['crossEntropy', 'meanSquaredError']),
  optimizer: z.enum(['sgd', 'adam']),
  learningRate: z.number(),
  batchSize: z.int().positive(),
});
export type Job = z.infer<typeof job>;

export function readJobs(): Readonly<Record<JobName, Job>> {
  const path = join(packageRoot(), 'test', 'bench', 'jobs.json');
  return z.record(jobName, job).parse(JSON.parse(readFileSync(path, 'utf8')));
}

/** Numbers of one sample. */
export const featuresOf = ({ shape }: Job): number => shape.reduce((product, n) => product * n, 1);

interface Product {
  /** Per sample. */
  readonly rows: number;
  readonly inputs: number;
  readonly outputs: number;
}

/** The matrix products of a forward pass, first layer first. */
function productsOf(job: Job): Product[] {
  const products: Product[] = [];
  const [first = 1, width = 1, depth = 1] = job.shape;
  let side = { height: first, width };
  let channels = job.convolutions.length > 0 ? depth : featuresOf(job);
  for (const filters of job.convolutions) {
    const out = { height: side.height - KERNEL + 1, width: side.width - KERNEL + 1 };
    products.push({ rows: out.height * out.width, inputs: KERNEL * KERNEL * channels, outputs: filters });
    side = { height: Math.floor(out.height / POOL), width: Math.floor(out.width / POOL) };
    channels = filters;
  }
  let inputs = job.convolutions.length > 0 ? side.height * side.width * channels : channels;
  for (const outputs of [...job.dense, job.outputs]) {
    products.push({ rows: 1, inputs, outputs });
    inputs = outputs;
  }
  return products;
}

/**
 * Floating-point operations of the matrix products in one step: forward, the weights' gradient, and the input's
 * gradient of every layer but the first; a multiplication and an addition each. One yardstick for all engines.
 */
export function flopsPerStep(job: Job): number {
  const flops = productsOf(job).reduce(
    (sum, { rows, inputs, outputs }, i) => sum + 2 * rows * inputs * outputs * (i === 0 ? 2 : 3),
    0,
  );
  return flops * job.batchSize;
}
