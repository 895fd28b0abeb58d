/**
 * Whole networks against PyTorch in double precision (test/golden/make_networks.py): losses, weights, statistics and
 * logits after five steps. PyTorch's own single precision differs from these figures by up to 5.6e-6; so may we.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { predictRows } from '../../../src/engine/evaluate.ts';
import type { CreateExecutor } from '../../../src/engine/kernels.ts';
import { losses } from '../../../src/engine/kinds/losses/registry.ts';
import { optimizers } from '../../../src/engine/kinds/optimizers/registry.ts';
import { initialState, readState, writeState } from '../../../src/engine/parameters.ts';
import type { PlanSpec } from '../../../src/engine/plan.ts';
import { createPlan } from '../../../src/engine/plan.ts';
import { engineSpec } from '../../../src/engine/spec.ts';
import { allBackends } from './codegen/candidates.ts';

const tensor = z.object({ shape: z.array(z.int()), values: z.array(z.number()) });
const tensors = z.record(z.string(), tensor);
const course = z.object({ losses: z.array(z.number()), final: tensors, logits: tensor });
const setting = z.object({ input: tensor, labels: z.array(z.int()), initial: tensors });
const golden = z
  .object({
    convNet: setting.extend(course.shape),
    skipNet: setting.extend({ clips: z.object({ loss: course }) }),
  })
  .parse(JSON.parse(readFileSync(new URL('../../golden/networks.json', import.meta.url), 'utf8')));

/** `layers.3.runningMean` as the golden calls it: `batchNorm.running_mean`. */
const NAMES: Readonly<Record<string, string>> = {
  runningMean: 'running_mean',
  runningVariance: 'running_var',
};

function specOf(fields: object): PlanSpec {
  const parsed = engineSpec.parse({
    data: { dataset: 'none', target: 'none' },
    training: { epochs: 1 },
    ...fields,
  });
  return { ...parsed, loss: losses.schema.parse({ kind: 'crossEntropy' }), metrics: [] };
}

/** Trains full batches and compares; `layerNames` are the golden's, layer by layer. */
function expectCourse(
  backend: CreateExecutor,
  spec: PlanSpec,
  at: z.output<typeof setting>,
  wanted: z.output<typeof course>,
  layerNames: readonly string[],
): void {
  const rows = at.labels.length;
  const features = at.input.values.length / rows;
  const classes = Math.max(...at.labels) + 1;
  const targets = new Float32Array(rows * classes);
  for (const [row, label] of at.labels.entries()) targets[row * classes + label] = 1;
  const plan = createPlan(
    { ...spec, training: { ...spec.training, batchSize: rows } },
    { features, targets: classes },
  );
  const data = { rows, features: Float32Array.from(at.input.values), targets };
  const executor = backend(plan, data, 1);
  const goldenName = (name: string): string => {
    const [, layer = '', what = ''] = name.split('.');
    return `${layerNames[Number(layer)]}.${NAMES[what] ?? what}`;
  };
  const start = initialState(plan, 0);
  writeState(executor, plan, {
    ...start,
    values: plan.parameters.map((p, i) => {
      const given = at.initial[goldenName(p.name)];
      if (given === undefined) return start.values[i] ?? new Float32Array();
      expect(given.shape).toEqual(p.shape);
      return Float32Array.from(given.values);
    }),
  });
  const order = Int32Array.from({ length: rows }, (_, i) => i);
  const optimizer = optimizers.get(spec.optimizer.kind);
  const { learningRate } = z.looseObject({ learningRate: z.number() }).parse(spec.optimizer);
  const counted = plan.programs.train.inputs.includes('rows') ? [rows] : [];
  for (const [step, loss] of wanted.losses.entries()) {
    const scalars = optimizer.scalars(spec.optimizer, step + 1, learningRate);
    const inputs = Float32Array.from([1 / rows, ...scalars, ...counted]);
    const [sum = Number.NaN] = executor.run('train', { indices: order, rows: Int32Array.of(rows), inputs });
    expect(sum / rows).toBeCloseTo(loss, 5);
  }
  for (const [i, p] of plan.parameters.entries()) {
    const expected = wanted.final[goldenName(p.name)]?.values ?? [];
    const actual = readState(executor, plan).values[i] ?? new Float32Array();
    expect(actual.length).toBe(expected.length);
    const worst = Math.max(...[...actual].map((v, k) => Math.abs(v - (expected[k] ?? Number.NaN))));
    expect(worst, p.name).toBeLessThan(1e-5);
  }
  const probabilities = predictRows(executor, plan, order);
  const { values } = wanted.logits;
  for (let row = 0; row < rows; row++) {
    const logits = values.slice(row * classes, (row + 1) * classes);
    const total = logits.reduce((sum, v) => sum + Math.exp(v), 0);
    for (const [c, v] of logits.entries()) {
      expect(Math.abs((probabilities[row * classes + c] ?? Number.NaN) - Math.exp(v) / total)).toBeLessThan(
        2e-6,
      );
    }
  }
  executor.dispose();
}

describe.each(Object.entries(allBackends))('on %s', (_, backend) => {
  it('trains a convolutional net with both norms as PyTorch does', () => {
    const { convNet } = golden;
    const spec = specOf({
      model: {
        layers: [
          { kind: 'reshape', height: 8, width: 10, channels: 2 },
          { kind: 'conv2d', channels: 3, kernel: 3, padding: 1, activation: { kind: 'relu' } },
          { kind: 'maxPool2d', kernel: 2 },
          { kind: 'conv2d', channels: 5, kernel: [2, 3], stride: [1, 2], padding: [0, 1] },
          { kind: 'batchNorm' },
          { kind: 'activation', activation: { kind: 'relu' } },
          { kind: 'avgPool2d', kernel: 2, stride: 1 },
          { kind: 'flatten' },
          { kind: 'layerNorm' },
          { kind: 'dense', units: 3 },
        ],
      },
      optimizer: { kind: 'adamw', learningRate: 0.02, epsilon: 1e-3, weightDecay: 0.1 },
    });
    const names = ['', 'conv1', '', 'conv2', 'batchNorm', '', '', '', 'layerNorm', 'dense'];
    expectCourse(backend, spec, convNet, convNet, names);
  });

  it('trains a net with skip connections, a penalty and clipped gradients as PyTorch does', () => {
    const { skipNet } = golden;
    const spec = specOf({
      model: {
        layers: [
          { kind: 'dense', name: 'first', units: 8, activation: { kind: 'tanh' } },
          { kind: 'dense', name: 'second', units: 8, activation: { kind: 'relu' } },
          { kind: 'add', name: 'sum', inputs: ['first', 'second'] },
          { kind: 'concat', inputs: ['sum', 'data'] },
          { kind: 'dense', units: 3 },
        ],
      },
      optimizer: { kind: 'nesterov', learningRate: 0.1, momentum: 0.9 },
      regularization: { weights: { kind: 'l2', lambda: 0.02 } },
      training: { epochs: 1, gradientClipping: { kind: 'norm', max: 0.5 } },
    });
    expectCourse(backend, spec, skipNet, skipNet.clips.loss, ['first', 'second', '', '', 'output']);
  });
});
