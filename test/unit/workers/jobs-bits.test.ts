/**
 * One hash of the weights for each of the benchmark's jobs, and for a net of every layer under every optimiser: the
 * same on every back end of this processor, with one thread and with two. test/golden/jobs-weights.json has them, as
 * WebAssembly first gave them; the interpreter, which defines them, does the small sizes.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createInterpreter } from '../../../src/engine/codegen/interpreter.ts';
import type { Crew } from '../../../src/engine/crew.ts';
import type { CreateExecutor } from '../../../src/engine/kernels.ts';
import { optimizers } from '../../../src/engine/kinds/optimizers/registry.ts';
import { createPlan, type PlanSpec } from '../../../src/engine/plan.ts';
import { engineSpec } from '../../../src/engine/spec.ts';
import { createCrew, type OwnedCrew } from '../../../workers/crew.ts';
import { featuresOf, type Job, readJobs } from '../../bench/jobs.ts';
import { specOf } from '../../bench/trainyard.ts';
import { type CompiledEntry, compileEntry } from '../../support/compile-entry.ts';
import { compiledBackends } from '../engine/codegen/candidates.ts';
import { type Start, startOf, trainedParameters } from '../engine/outcomes.ts';

const golden = z
  .strictObject({ about: z.string(), weights: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync(new URL('../../golden/jobs-weights.json', import.meta.url), 'utf8')));

let crew: OwnedCrew;
let entry: CompiledEntry;
beforeAll(() => {
  entry = compileEntry('workers/crew-thread.ts');
  crew = createCrew(2, { entry: entry.url });
});
afterAll(async () => {
  await crew.close();
  entry.remove();
});

const withCrew =
  (create: CreateExecutor, crewOf: () => Crew): CreateExecutor =>
  (plan, data, stepsMax) =>
    create(plan, data, stepsMax, crewOf());
const onTwoThreads = Object.entries(compiledBackends).map(
  ([name, create]) => [`${name} on two threads`, withCrew(create, () => crew)] as const,
);
const compiled = [...Object.entries(compiledBackends), ...onTwoThreads];
const all = [['interpreter', createInterpreter] as const, ...compiled];

/** Of three steps, the last of them with fewer rows. */
function startFor(spec: PlanSpec, shape: { features: number; targets: number }): Start {
  const { batchSize } = spec.training;
  const steps = [batchSize, batchSize, Math.ceil(batchSize / 3)];
  const network = { spec, shape, panel: 16, steps, rows: batchSize + 7, learningRate: 0.01 };
  return startOf(createPlan(spec, shape), network, 1);
}

/** The same start for all back ends: to draw a large one's numbers takes longer than to train it. */
function once(make: () => Start): () => Start {
  let made: Start | null = null;
  return () => {
    made ??= make();
    return made;
  };
}

function expectWeights(name: string, create: CreateExecutor, start: Start): void {
  const hash = createHash('sha256');
  for (const { name: parameter, values } of trainedParameters(create, start)) {
    expect(values.every(Number.isFinite), parameter).toBe(true);
    hash.update(values);
  }
  expect({ [name]: hash.digest('hex') }).toEqual({ [name]: golden.weights[name] });
}

const small = (job: Job): Job => ({
  ...job,
  convolutions: job.convolutions.map((filters) => filters / 4),
  dense: job.dense.map((units) => Math.ceil(units / 8)),
  batchSize: Math.ceil(job.batchSize / 8),
});

const startOfJob = (job: Job) =>
  once(() => startFor(specOf(job), { features: featuresOf(job), targets: job.outputs }));

describe.each(Object.entries(readJobs()))('job %s', (name, job) => {
  const smallStart = startOfJob(small(job));
  it.each(all)('has one hash at a small size: %s', (_, create) => {
    expectWeights(`${name} small`, create, smallStart());
  });
  const start = startOfJob(job);
  it.each(compiled)('has one hash at full size: %s', (_, create) => {
    expectWeights(name, create, start());
  });
});

const everyLayer = (optimizer: string): PlanSpec => {
  const relu = { kind: 'relu' };
  const parsed = engineSpec.parse({
    data: { dataset: 'none', target: 'none' },
    model: {
      layers: [
        { kind: 'reshape', height: 9, width: 7, channels: 2 },
        { kind: 'conv2d', name: 'stem', channels: 18, kernel: 3, padding: 1, activation: relu },
        { kind: 'batchNorm' },
        { kind: 'conv2d', name: 'branch', channels: 18, kernel: [3, 2], padding: [2, 1], dilation: 2 },
        { kind: 'conv2d', channels: 18, kernel: 1, stride: [1, 1], activation: { kind: 'tanh' } },
        { kind: 'activation', activation: { kind: 'sigmoid' } },
        { kind: 'conv2d', name: 'back', channels: 18, kernel: [1, 1] },
        { kind: 'add', name: 'sum', inputs: ['back', 'stem'] },
        { kind: 'maxPool2d', kernel: 3, stride: 2, padding: 1 },
        { kind: 'dropout', probability: 0.3 },
        { kind: 'avgPool2d', kernel: 2, stride: 1 },
        { kind: 'flatten', name: 'flat' },
        { kind: 'layerNorm' },
        { kind: 'dense', units: 21, activation: { kind: 'softmax' } },
        { kind: 'dropout', name: 'thinned', probability: 0.2, scaling: 'inference' },
        { kind: 'flatten', name: 'side', input: 'branch' },
        { kind: 'dense', name: 'short', units: 21, activation: relu },
        { kind: 'concat', inputs: ['thinned', 'short', 'data'] },
        { kind: 'dense', units: 3 },
      ],
    },
    optimizer: { kind: optimizer },
    regularization: { weights: { kind: 'l2', lambda: 0.01 } },
    training: { epochs: 1, batchSize: 9, gradientClipping: { kind: 'norm', max: 1 } },
  });
  return { ...parsed, loss: { kind: 'crossEntropy' }, metrics: [] };
};

describe.each(optimizers.names)('a net of every layer under %s', (optimizer) => {
  const start = once(() => startFor(everyLayer(optimizer), { features: 126, targets: 3 }));
  it.each(all)('has one hash: %s', (_, create) => {
    expectWeights(`every layer ${optimizer}`, create, start());
  });
});
