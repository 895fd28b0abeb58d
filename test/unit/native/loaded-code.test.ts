import { describe, expect, it } from 'vitest';
import { detectIsas } from '../../../src/native/cpu.ts';
import { createExecutor } from '../../../src/native/executor.ts';
import { createCodeCache } from '../../../src/native/loaded-code.ts';
import { openMemory } from '../../../src/native/memory.ts';
import { normals, oneStep, planOfFactor } from '../engine/codegen/compare.ts';
import { native } from '../engine/codegen/native.ts';

/** A cache, and what is loaded by it at the moment. */
function watched(bytesMax: number) {
  const memory = openMemory();
  const [isa = 'avx2'] = detectIsas(memory);
  const loaded = new Set<bigint>();
  let loads = 0;
  const watching: typeof memory = {
    ...memory,
    load(code) {
      const pages = memory.load(code);
      loads++;
      loaded.add(pages.address);
      const free = (): void => {
        loaded.delete(pages.address);
        pages.free();
      };
      return { ...pages, free };
    },
  };
  return { memory, loaded, loads: () => loads, codes: createCodeCache(watching, isa, bytesMax) };
}

describe.runIf(Object.keys(native).length > 0)('the cache of machine code', () => {
  it('loads plans of equal content once, whatever their names, and keeps the code', () => {
    const { codes, loads, loaded } = watched(2 ** 20);
    const first = codes.hold(planOfFactor(2), false);
    const second = codes.hold(planOfFactor(2, 'other'), false);
    expect(second.entries).toEqual(first.entries);
    first.release();
    second.release();
    expect(codes.hold(planOfFactor(2), false).entries).toEqual(first.entries);
    expect(loads()).toBe(1);
    expect(codes.hold(planOfFactor(3), false).entries).not.toEqual(first.entries);
    expect(codes.hold(planOfFactor(2), true).entries).not.toEqual(first.entries);
    expect(loaded.size).toBe(3);
  });

  it('frees what was used least recently, but nothing that is held', () => {
    const { codes, loads, loaded } = watched(0);
    const held = codes.hold(planOfFactor(1), false);
    const other = codes.hold(planOfFactor(2), false);
    expect(loaded.size).toBe(2);
    other.release();
    other.release();
    expect(loaded.size).toBe(1);
    codes.hold(planOfFactor(1), false).release();
    expect(loads()).toBe(2);
    held.release();
    expect(loaded.size).toBe(0);
    expect(codes.bytes).toBe(0);
  });

  it('gives code back with the executor, which can be made again', () => {
    const { codes, loaded, memory } = watched(0);
    const plan = planOfFactor(3);
    const data = { rows: 2, features: new Float32Array(2), targets: new Float32Array(2) };
    for (let turn = 0; turn < 3; turn++) {
      const executor = createExecutor({ memory, codes }, plan, data, 1);
      expect(loaded.size).toBe(1);
      const values = normals(10, 'x');
      executor.write(0, values);
      executor.run('train', oneStep(2));
      expect(executor.read(0)).toEqual(values.map((v) => v * 3));
      executor.dispose();
      executor.dispose();
      expect(loaded.size).toBe(0);
    }
  });
});
