import fc from 'fast-check';
import { expect, it } from 'vitest';
import { estimateCost } from '../../../src/engine/cost.ts';
import { optimizers } from '../../../src/engine/kinds/optimizers/registry.ts';
import { createPlan } from '../../../src/engine/plan.ts';
import { type ResolvedSpec, resolveTask, type Task } from '../../../src/engine/resolve.ts';
import { engineSpec } from '../../../src/engine/spec.ts';
import { type ColumnSummary, summarize } from '../../../src/engine/table.ts';
import { exampleTable, specOf } from './example-table.ts';
import { randomNetwork } from './random-network.ts';

const columns = summarize(exampleTable('iris'));

it('counts the plan’s parameters and bounds its memory and operations', () => {
  const width = fc.integer({ min: 1, max: 70 });
  const any = fc.record({
    widths: fc.array(width, { maxLength: 12 }),
    batchSize: fc.integer({ min: 1, max: 150 }),
    kind: fc.constantFrom(...optimizers.names),
  });
  fc.assert(
    fc.property(any, ({ widths, batchSize, kind }) => {
      const spec = specOf(3, {
        data: { target: 'species' },
        model: {
          layers: [...widths, 3].map((units) => ({ kind: 'dense', units, activation: { kind: 'tanh' } })),
        },
        optimizer: { kind } as { kind: 'adam' },
        training: { batchSize, epochs: 1 },
      });
      const resolved = resolveTask(spec, columns);
      if ('issues' in resolved) throw new Error('the spec fits');
      const plan = createPlan(resolved.spec, { features: 4, targets: 3 });
      const cost = estimateCost(resolved, 150, batchSize);
      expect(cost.parameters).toBe(plan.parameterCount);
      expect(cost.bytes).toBeGreaterThanOrEqual(plan.arenaBytes);
      expect(cost.flops).toBeGreaterThanOrEqual(plan.programs.train.flops);
    }),
    { numRuns: 60 },
  );
});

it.each([1, 64])('bounds what networks of all layers take, in batches of %i', (batchSize) => {
  for (let number = 0; number < 120; number++) {
    const { spec: drawn, shape } = randomNetwork(number);
    const training = { ...drawn.training, epochs: 1, batchSize };
    const parsed = engineSpec.parse({ ...drawn, data: { dataset: 'none', target: 'none' }, training });
    const spec: ResolvedSpec = { ...parsed, loss: parsed.loss ?? { kind: 'crossEntropy' }, metrics: [] };
    const feature = (i: number): ColumnSummary => ({
      name: `${i}`,
      type: 'numeric',
      integer: false,
      min: 0,
      max: 1,
      mean: 0,
      classes: null,
    });
    const task: Task = {
      features: Array.from({ length: shape.features }, (_, i) => feature(i)),
      target: 'none',
      targetType: 'categorical',
      classes: [],
      outputs: shape.targets,
      outputsWhy: '',
    };
    const plan = createPlan(spec, shape);
    const cost = estimateCost({ spec, task }, batchSize, batchSize);
    const what = `network ${number}: ${JSON.stringify(spec.model)}`;
    expect(cost.parameters, what).toBe(plan.parameterCount);
    expect(cost.bytes, what).toBeGreaterThanOrEqual(plan.arenaBytes);
    expect(cost.flops, what).toBeGreaterThanOrEqual(plan.programs.train.flops);
    // A count of code in units of a dense layer's kernels: normalisations take many small ones.
    expect(4 * cost.kernels, what).toBeGreaterThanOrEqual(plan.programs.train.kernels.length);
  }
});
