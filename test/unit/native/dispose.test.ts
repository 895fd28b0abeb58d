import { describe, expect, it } from 'vitest';
import { oneStep, planOf } from '../engine/codegen/compare.ts';
import { poisonedNative } from '../engine/codegen/native.ts';

const plan = planOf({
  batchSize: 2,
  featureCount: 3,
  kernels: (buffers) => [
    { kind: 'gather', label: 'x', table: 'features', columns: 3, out: buffers.matrix('x', 'batch', 3) },
  ],
});
const data = { rows: 2, features: new Float32Array(6), targets: new Float32Array(2) };

describe.each(Object.entries(poisonedNative))('an executor, %s', (_, create) => {
  it('refuses work once its memory is gone, and may be disposed of twice', () => {
    const executor = create(plan, data, 1);
    executor.run('train', oneStep(2));
    executor.dispose();
    executor.dispose();
    expect(() => executor.run('train', oneStep(2))).toThrow('disposed');
    expect(() => executor.read(0)).toThrow('disposed');
    expect(() => executor.write(0, new Float32Array(6))).toThrow('disposed');
  });
});
