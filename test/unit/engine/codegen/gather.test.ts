import { describe, expect, it } from 'vitest';
import { codedTable } from '../../../../src/engine/coded-table.ts';
import type { ResidentData, StepBatch } from '../../../../src/engine/kernels.ts';
import { stream } from '../../../../src/engine/random.ts';
import { randomCoded } from '../outcomes.ts';
import { allBackends } from './candidates.ts';
import { expectSameBits, expectSameRun, planOf } from './compare.ts';

const rows = 9;
const planFor = (columns: number, panel: number) =>
  planOf({
    batchSize: 5,
    panel,
    featureCount: columns,
    coded: true,
    kernels: (buffers) => {
      const out = buffers.matrix('out', 'batch', columns);
      return [{ kind: 'gather', label: 'gather', table: 'features', columns, coded: true, out }];
    },
  });
const dataFor = (columns: number): ResidentData => ({
  rows,
  features: randomCoded(rows, columns, stream(columns, 'table')),
  targets: new Float32Array(rows),
});
const batch: StepBatch = {
  indices: Int32Array.of(8, 0, 3, 3, 7, 1, 5, 2),
  rows: Int32Array.of(5, 3),
  inputs: new Float32Array(),
};

describe('a coded table', () => {
  it.each([
    [1, 16],
    [15, 16],
    [16, 16],
    [17, 16],
    [100, 16],
    [31, 32],
    [32, 32],
    [100, 32],
  ])('of %i columns is gathered to the same bits in panels of %i', (columns, panel) => {
    expectSameRun(planFor(columns, panel), { batch, data: dataFor(columns) });
  });

  it.each(Object.entries(allBackends))('gives the floats that its bytes stand for: %s', (_, create) => {
    const columns = 40;
    const features = randomCoded(rows, columns, stream(1, 'table'));
    const executor = create(planFor(columns, 16), { ...dataFor(columns), features }, 2);
    executor.run('train', batch);
    const { codes, offsets, factors } = codedTable(features, columns);
    const expected = Float32Array.from({ length: 3 * columns }, (_, i) => {
      const row = batch.indices[5 + Math.floor(i / columns)] ?? 0;
      const column = i % columns;
      const code = codes[row * columns + column] ?? 0;
      return (code - (offsets[column] ?? 0)) * (factors[column] ?? 0);
    });
    expectSameBits(executor.read(0).subarray(0, 3 * columns), expected, 'out');
    executor.dispose();
  });

  it.each(Object.entries(allBackends))(
    'is refused where floats are wanted, and the other way: %s',
    (_, create) => {
      const [plan, data] = [planFor(3, 16), dataFor(3)];
      const plain = { ...data, features: new Float32Array(rows * 3) };
      expect(() => create(plan, plain, 1)).toThrow('features do not fit the plan');
      expect(() => create({ ...plan, coded: false }, data, 1)).toThrow('features do not fit the plan');
      const short = { ...data, features: (data.features as Uint8Array).subarray(1) };
      expect(() => create(plan, short, 1)).toThrow('features do not fit the plan');
    },
  );
});
