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
import { outcomesOf } from '../engine/outcomes.ts';

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

/** After three steps, the last of them with fewer rows. */
function weightsOf(
  create: CreateExecutor,
  spec: PlanSpec,
  shape: { features: number; targets: number },
): string {
  const { batchSize } = spec.training;
  const plan = createPlan(spec, shape);
  const steps = [batchSize, batchSize, Math.ceil(batchSize / 3)];
  const network = { spec, shape, panel: 16, steps, rows: batchSize + 7, learningRate: 0.01 };
  const parameters = new Set(plan.parameters.map((p) => p.name));
  const hash = createHash('sha256');
  for (const { name, values } of outcomesOf(create, plan, network, 1)) {
    if (!parameters.has(name)) continue;
    expect(values.every(Number.isFinite), name).toBe(true);
    hash.update(values);
  }
  return hash.digest('hex');
}

const small = (job: Job): Job => ({
  ...job,
  convolutions: job.convolutions.map((filters) => filters / 4),
  dense: job.dense.map((units) => Math.ceil(units / 8)),
  batchSize: Math.ceil(job.batchSize / 8),
});

function expectWeights(name: string, create: CreateExecutor, job: Job): void {
  const shape = { features: featuresOf(job), targets: job.outputs };
  expect({ [name]: weightsOf(create, specOf(job), shape) }).toEqual({ [name]: golden.weights[name] });
}

describe.each(Object.entries(readJobs()))('job %s', (name, job) => {
  it.each(all)('has one hash at a small size: %s', (_, create) => {
    expectWeights(`${name} small`, create, small(job));
  });
  it.each(compiled)('has one hash at full size: %s', (_, create) => {
    expectWeights(name, create, job);
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
  it.each(all)('has one hash: %s', (_, create) => {
    const name = `every layer ${optimizer}`;
    const hash = weightsOf(create, everyLayer(optimizer), { features: 126, targets: 3 });
    expect({ [name]: hash }).toEqual({ [name]: golden.weights[name] });
  });
});
