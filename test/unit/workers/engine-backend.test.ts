import { describe, expect, it } from 'vitest';
import type { Plan } from '../../../src/engine/kernels.ts';
import { losses } from '../../../src/engine/kinds/losses/registry.ts';
import { createPlan } from '../../../src/engine/plan.ts';
import { engineSpec } from '../../../src/engine/spec.ts';
import { createLog } from '../../../src/log.ts';
import { chooseBackend, executorsOf, threadsFor } from '../../../workers/engine-backend.ts';

const log = createLog('silent', 'test');

function planOf(units: number, batchSize: number): Plan {
  const spec = engineSpec.parse({
    data: { dataset: 'none', target: 'none' },
    model: {
      layers: [
        { kind: 'dense', units },
        { kind: 'dense', units: 3 },
      ],
    },
    training: { epochs: 1, batchSize },
  });
  const loss = losses.schema.parse({ kind: 'crossEntropy' });
  return createPlan({ ...spec, loss, metrics: [] }, { features: 100, targets: 3 });
}

describe('the back end of a worker', () => {
  it('is the one that the setting names', () => {
    expect(chooseBackend('wasm', log)).toBe('wasm');
    expect(chooseBackend('interpreter', log)).toBe('interpreter');
  });

  it('is one that can be had where the setting leaves it open', () => {
    const chosen = chooseBackend('auto', log);
    expect(['native', 'wasm']).toContain(chosen);
    const plan = planOf(3, 2);
    const executor = executorsOf(chosen)(
      plan,
      { rows: 1, features: new Float32Array(100), targets: new Float32Array(3) },
      1,
    );
    expect(executor.backend).toBe(chosen);
    executor.dispose();
  });
});

describe('the number of threads', () => {
  it('goes by the work of a step, the cores there are, and the samples to share', () => {
    expect(threadsFor(planOf(4, 8), 'native', 8)).toBe(1);
    expect(threadsFor(planOf(2000, 128), 'native', 8)).toBe(8);
    expect(threadsFor(planOf(2000, 128), 'wasm', 2)).toBe(2);
    expect(threadsFor(planOf(20_000, 3), 'wasm', 8)).toBe(3);
    expect(threadsFor(planOf(2000, 128), 'interpreter', 8)).toBe(1);
  });
});
