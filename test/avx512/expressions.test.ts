/** Random lane expressions over special values on an emulated processor with AVX-512: the interpreter's bits. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { BufferTable } from '../../src/engine/buffers.ts';
import { createInterpreter } from '../../src/engine/codegen/interpreter.ts';
import type { CreateExecutor, Executor, MapKernel } from '../../src/engine/kernels.ts';
import { expandCalls } from '../../src/engine/math.ts';
import { expectSameBits, lengthOf, oneStep, planOf } from '../unit/engine/codegen/compare.ts';
import { float, vector, WIDTH } from '../unit/engine/codegen/random-expressions.ts';
import { createEmulated } from './executor.ts';

const cases = fc.sample(
  fc.record({ exprs: fc.array(float, { minLength: 1, maxLength: 3 }), p: vector, q: vector }),
  { numRuns: 150, seed: 512 },
);

/** A kernel for each case, with inputs and results of its own. */
const kernels = (buffers: BufferTable): MapKernel[] =>
  cases.map(({ exprs }, i) => ({
    kind: 'map',
    label: `case ${i}`,
    rows: 1,
    columns: WIDTH,
    bindings: ['p', 'q'].map((name) => {
      const buffer = buffers.vector(`${name} ${i}`, WIDTH);
      return { name, source: { from: 'buffer', buffer, extent: 'col' } };
    }),
    stores: exprs.map((expr, n) => ({
      expr: expandCalls(expr),
      target: { to: 'buffer', buffer: buffers.vector(`result ${n} of ${i}`, WIDTH) },
    })),
  }));

it('every operation has the same bits', () => {
  const plan = planOf({ batchSize: 1, kernels });
  const run = (create: CreateExecutor): Executor => {
    const executor = create(
      plan,
      { rows: 1, features: new Float32Array(1), targets: new Float32Array(1) },
      1,
    );
    for (const b of plan.buffers) {
      const [name, number] = b.name.split(' ');
      const { p, q } = cases[Number(number)] ?? {};
      const values = { p, q }[name ?? ''] ?? new Float32Array(lengthOf(plan, b.id));
      executor.write(b.id, values);
    }
    executor.run('train', oneStep(1));
    return executor;
  };
  const expected = run(createInterpreter);
  const actual = run(createEmulated({ threaded: false, edge: 'end' }));
  expect(plan.buffers.length).toBeGreaterThan(3 * cases.length);
  for (const b of plan.buffers) expectSameBits(actual.read(b.id), expected.read(b.id), b.name);
});
