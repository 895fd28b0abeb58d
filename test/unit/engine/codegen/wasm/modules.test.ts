import { describe, expect, it } from 'vitest';
import { createWasmBackend } from '../../../../../src/engine/codegen/wasm/executor.ts';
import { createModuleCache } from '../../../../../src/engine/codegen/wasm/modules.ts';
import { normals, oneStep, planOfFactor } from '../compare.ts';

describe('the cache of modules', () => {
  it('has one module for plans of equal content, whatever their names', () => {
    const cache = createModuleCache(8);
    const first = cache.of(planOfFactor(2));
    expect(cache.of(planOfFactor(2, 'other')).module).toBe(first.module);
    expect(cache.of(planOfFactor(3)).module).not.toBe(first.module);
    expect(cache.of(planOfFactor(-0)).module).not.toBe(cache.of(planOfFactor(0)).module);
    expect(cache.size).toBe(4);
  });

  it('forgets what was used least recently', () => {
    const cache = createModuleCache(2);
    const [one, two] = [cache.of(planOfFactor(1)), cache.of(planOfFactor(2))];
    expect(cache.of(planOfFactor(1)).module).toBe(one.module);
    cache.of(planOfFactor(3));
    expect(cache.size).toBe(2);
    expect(cache.of(planOfFactor(1)).module).toBe(one.module);
    expect(cache.of(planOfFactor(2)).module).not.toBe(two.module);
  });

  it('takes up what another thread has compiled', () => {
    const [theirs, mine] = [createModuleCache(8), createModuleCache(8)];
    const compiled = theirs.of(planOfFactor(2));
    mine.adopt(compiled);
    expect(mine.of(planOfFactor(2)).module).toBe(compiled.module);
  });

  it('serves several executors at once, each with buffers of its own', () => {
    const create = createWasmBackend(createModuleCache(1));
    const data = { rows: 2, features: new Float32Array(2), targets: new Float32Array(2) };
    const executors = [1, 2, 3].map(() => create(planOfFactor(2), data, 1));
    for (const [i, executor] of executors.entries()) executor.write(0, normals(10, `values ${i}`));
    for (const executor of executors) executor.run('train', oneStep(2));
    for (const [i, executor] of executors.entries()) {
      expect(executor.read(0)).toEqual(normals(10, `values ${i}`).map((v) => 2 * v));
    }
  });
});
