import fc from 'fast-check';
import { expect, it } from 'vitest';
import { estimateCost } from '../../../src/engine/cost.ts';
import { optimizers } from '../../../src/engine/kinds/optimizers/registry.ts';
import { createPlan } from '../../../src/engine/plan.ts';
import { resolveTask } from '../../../src/engine/resolve.ts';
import { summarize } from '../../../src/engine/table.ts';
import { exampleTable, specOf } from './example-table.ts';

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
