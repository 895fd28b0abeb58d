import { describe, expect, it } from 'vitest';
import { backends } from '../../../../../src/engine/codegen/backends.ts';
import { adoptTables, loadTables } from '../../../../../src/engine/codegen/wasm/tables.ts';
import type { ResidentData } from '../../../../../src/engine/kernels.ts';
import { stream } from '../../../../../src/engine/random.ts';
import { randomCoded } from '../../outcomes.ts';
import { normals, oneStep, planOf } from '../compare.ts';

const PAGE = 65536;
const data: ResidentData = { rows: 5, features: normals(15, 'f'), targets: normals(10, 't') };
const planWith = (fill: number, rows: number) =>
  planOf({
    batchSize: 5,
    featureCount: 3,
    targetCount: 2,
    kernels: (buffers) => {
      const out = buffers.matrix('out', 'batch', 3);
      buffers.matrix('filled', rows, 16, 'work', fill);
      return [{ kind: 'gather', label: 'gather', table: 'features', columns: 3, out }];
    },
  });

describe('resident tables', () => {
  it('hold a copy of the data that executors read in place', () => {
    const given = { ...data, features: data.features.slice() };
    const tables = loadTables(given);
    given.features.fill(0);
    expect(tables.data.features).toEqual(data.features);
    expect(tables.data.targets).toEqual(data.targets);
    const before = tables.memory.buffer.byteLength;
    const executors = [1, 2, 3].map((fill) => backends.wasm(planWith(fill, 1), tables.data, 1));
    // Nothing but the executors' own buffers was added.
    expect(tables.memory.buffer.byteLength - before).toBe(3 * PAGE);
    for (const [i, executor] of executors.entries()) {
      executor.run('train', oneStep(5));
      expect([...executor.read(0)]).toEqual([...data.features]);
      expect(executor.read(1).every((v) => v === i + 1)).toBe(true);
    }
    tables.data.features.fill(7);
    executors[0]?.run('train', oneStep(5));
    expect(executors[0]?.read(0).every((v) => v === 7)).toBe(true);
  });

  it('are one memory for executors of other threads', () => {
    const tables = loadTables(data);
    const adopted = adoptTables({ ...tables.handle });
    const [mine, theirs] = [tables.take(100), adopted.take(100)];
    expect(theirs.address).not.toBe(mine.address);
    expect(adopted.data.features).toEqual(data.features);
    mine.release();
    expect(adopted.take(100).address).toBe(mine.address);
  });

  it('hold bytes and give them to other threads as such', () => {
    const coded = { rows: 5, features: randomCoded(5, 3, stream(1, 'table')), targets: normals(10, 't') };
    const tables = loadTables(coded);
    expect(tables.targets - tables.features).toBe(Math.ceil(coded.features.length / 64) * 64);
    const { features, targets } = adoptTables({ ...tables.handle }).data;
    expect(features).toEqual(coded.features);
    expect(targets).toEqual(coded.targets);
  });

  it('lend slots again once they are given back, emptied, the smallest that fits', () => {
    const tables = loadTables(data);
    const [large, small] = [tables.take(5 * PAGE), tables.take(10)];
    expect([large.byteLength, small.byteLength]).toEqual([5 * PAGE, PAGE]);
    new Uint8Array(tables.memory.buffer, small.address, PAGE).fill(1);
    large.release();
    small.release();
    const again = tables.take(PAGE);
    expect(again.address).toBe(small.address);
    expect(new Uint8Array(tables.memory.buffer, again.address, PAGE).every((b) => b === 0)).toBe(true);
    expect(tables.take(PAGE).address).toBe(large.address);
    const size = tables.memory.buffer.byteLength;
    const fresh = tables.take(1);
    expect(fresh.address).toBe(size);
  });

  it('lend slots of a few sizes only, at most a quarter too large', () => {
    const tables = loadTables(data);
    const sizes = new Set<number>();
    for (let pages = 1; pages <= 64; pages++) {
      const slot = tables.take(pages * PAGE);
      expect(slot.byteLength).toBeGreaterThanOrEqual(pages * PAGE);
      expect(slot.byteLength).toBeLessThanOrEqual(pages * PAGE * 1.25);
      sizes.add(slot.byteLength);
    }
    expect(sizes.size).toBeLessThan(24);
  });

  it('are given back by an executor that is disposed of, once', () => {
    const tables = loadTables(data);
    const executor = backends.wasm(planWith(1, 1), tables.data, 1);
    executor.dispose();
    const first = tables.take(1);
    executor.dispose();
    expect(tables.take(1).address).not.toBe(first.address);
  });

  it('refuse what does not fit into 4 GiB', () => {
    expect(() => loadTables(data).take(2 ** 32)).toThrow(RangeError);
    expect(() => backends.wasm(planWith(0, 2 ** 26), data, 1)).toThrow(RangeError);
  });
});
