import { expect, it } from 'vitest';
import { createPlan, type PlanSpec } from '../../../src/engine/plan.ts';
import { createPlanCache } from '../../../src/engine/plan-cache.ts';
import { engineSpec } from '../../../src/engine/spec.ts';

const run = {
  seed: 1,
  data: { dataset: 'flowers', target: 'kind' },
  model: {
    layers: [
      { kind: 'dense', units: 4, activation: { kind: 'tanh' } },
      { kind: 'dense', units: 2 },
    ],
  },
  loss: { kind: 'meanSquaredError' },
  training: { epochs: 3, batchSize: 8 },
  metrics: [],
};
const specOf = (changes: object): PlanSpec => {
  const {
    loss = { kind: 'meanSquaredError' },
    metrics = [],
    ...rest
  } = engineSpec.parse({ ...run, ...changes });
  return { ...rest, loss, metrics };
};
const spec = specOf({});
const shape = { features: 3, targets: 2 };

it('gives equal specs one plan, whatever else their runs say', () => {
  const plans = createPlanCache(4);
  const plan = plans.of(spec, shape);
  expect(plan).toEqual(createPlan(spec, shape));
  const other = specOf({ seed: 9, training: { epochs: 5, batchSize: 8, shuffle: false } });
  expect(plans.of(other, { ...shape })).toBe(plan);
});

it.each([
  ['another shape', {}, { features: 4, targets: 2 }],
  ['another batch size', { training: { epochs: 3, batchSize: 9 } }, shape],
  ['another layer', { model: { layers: [{ kind: 'dense', units: 2 }] } }, shape],
  ['another optimiser', { optimizer: { kind: 'sgd', learningRate: 0.1 } }, shape],
  ['other metrics', { metrics: ['meanAbsoluteError'] }, shape],
  ['a penalty', { regularization: { weights: { kind: 'l2', lambda: 0.01 } } }, shape],
  ['clipping', { training: { epochs: 3, batchSize: 8, gradientClipping: { kind: 'norm', max: 1 } } }, shape],
])('gives %s a plan of its own', (_, changes, otherShape) => {
  const other = specOf(changes);
  const plans = createPlanCache(4);
  plans.of(spec, shape);
  expect(plans.of(other, otherShape)).toEqual(createPlan(other, otherShape));
});

it('forgets the plan that was used longest ago', () => {
  const plans = createPlanCache(2);
  const [a, b] = [3, 4].map((features) => plans.of(spec, { features, targets: 2 }));
  expect(plans.of(spec, shape)).toBe(a);
  plans.of(spec, { features: 5, targets: 2 });
  expect(plans.of(spec, shape)).toBe(a);
  expect(plans.of(spec, { features: 4, targets: 2 })).not.toBe(b);
});
