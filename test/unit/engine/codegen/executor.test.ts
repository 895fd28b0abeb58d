import { describe, expect, it } from 'vitest';
import type { ResidentData, StepBatch } from '../../../../src/engine/kernels.ts';
import { allBackends } from './candidates.ts';
import { lengthOf, normals, planOf } from './compare.ts';

const plan = planOf({
  batchSize: 3,
  panel: 32,
  featureCount: 50,
  targetCount: 1,
  stepInputs: ['a', 'b'],
  kernels: (buffers) => {
    const out = buffers.matrix('x', 'batch', 50);
    buffers.matrix('wide', 7, 65);
    buffers.vector('vector', 37);
    buffers.vector('rows', 'batch');
    buffers.matrix('long', 70, 33);
    return [{ kind: 'gather', label: 'x', table: 'features', columns: 50, out }];
  },
});
const data: ResidentData = { rows: 4, features: normals(200, 'f'), targets: new Float32Array(4) };
const STEPS_MAX = 2;

const batch = (indices: number[], rows: number[], inputs = rows.length * 2): StepBatch => ({
  indices: Int32Array.from(indices),
  rows: Int32Array.from(rows),
  inputs: new Float32Array(inputs),
});

describe.each(Object.entries(allBackends))('%s', (name, create) => {
  it('says who it is', () => {
    const executor = create(plan, data, STEPS_MAX);
    expect(executor.backend).toBe(name.split(' ')[0]);
    executor.dispose();
  });

  it('reads back what was written, without padding, one buffer at a time', () => {
    const executor = create(plan, data, STEPS_MAX);
    for (const b of plan.buffers) executor.write(b.id, normals(lengthOf(plan, b.id), b.name));
    for (const b of plan.buffers) expect(executor.read(b.id)).toEqual(normals(lengthOf(plan, b.id), b.name));
  });

  it.each([
    [1, 7, 65],
    [4, 70, 33],
  ])('reads matrix %i column by column', (id, rows, columns) => {
    const executor = create(plan, data, STEPS_MAX);
    const values = normals(rows * columns, 'matrix');
    executor.write(id, values);
    const turned = new Float32Array(values.length);
    executor.readTransposed(id, turned);
    expect(turned).toEqual(values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)] ?? 0));
    expect(() => executor.readTransposed(id, new Float32Array(values.length - 1))).toThrow(RangeError);
  });

  it('starts with zeros, and reads copies', () => {
    const executor = create(plan, data, STEPS_MAX);
    const first = executor.read(1);
    expect(first.every((v) => v === 0)).toBe(true);
    first.fill(1);
    expect(executor.read(1)[0]).toBe(0);
  });

  it('keeps the data as it was given', () => {
    const mine = { ...data, features: data.features.slice() };
    const executor = create(plan, mine, STEPS_MAX);
    executor.run('train', batch([3], [1]));
    expect([...executor.read(0).slice(0, 50)]).toEqual([...data.features.slice(150)]);
    expect(mine.features).toEqual(data.features);
  });

  it.each([
    ['an index beyond the table', batch([4], [1])],
    ['a negative index', batch([-1], [1])],
    ['more rows than a batch', batch([0, 0, 0, 0], [4])],
    ['a negative number of rows', batch([], [-1])],
    ['more steps than it was made for', batch([0, 0, 0], [1, 1, 1])],
    ['fewer indices than rows', batch([0], [2])],
    ['more indices than rows', batch([0, 0], [1])],
    ['step inputs of another width', batch([0], [1], 3)],
  ])('refuses %s, and is none the worse for it', (_, wrong) => {
    const executor = create(plan, data, STEPS_MAX);
    expect(() => executor.run('train', wrong)).toThrow(RangeError);
    executor.run('train', batch([1], [1]));
    expect(executor.read(0)[0]).toBe(data.features[50]);
  });

  it('refuses values of another length, unknown buffers, and tables of another width', () => {
    const executor = create(plan, data, STEPS_MAX);
    expect(() => executor.write(2, new Float32Array(36))).toThrow(RangeError);
    expect(() => executor.read(9)).toThrow(RangeError);
    expect(() => create(plan, { ...data, rows: 5 }, STEPS_MAX)).toThrow(RangeError);
    expect(() => create(plan, { ...data, targets: new Float32Array(3) }, STEPS_MAX)).toThrow(RangeError);
  });
});
