/**
 * Penalties and clipping against PyTorch's optimisers: the paths of two parameters whose gradients are given, through a
 * plan with the update that training has.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { backends } from '../../../../src/engine/codegen/backends.ts';
import type { CreateExecutor } from '../../../../src/engine/kernels.ts';
import { gradientClippings } from '../../../../src/engine/kinds/gradient-clippings/registry.ts';
import { losses } from '../../../../src/engine/kinds/losses/registry.ts';
import { optimizers } from '../../../../src/engine/kinds/optimizers/registry.ts';
import { regularizers } from '../../../../src/engine/kinds/regularizers/registry.ts';
import { readState, writeValues } from '../../../../src/engine/parameters.ts';
import type { PlanSpec } from '../../../../src/engine/plan-spec.ts';
import { engineSpec } from '../../../../src/engine/spec.ts';
import { createUpdate } from '../../../../src/engine/update.ts';
import { allBackends } from '../codegen/candidates.ts';
import { compileGraph, stepOf } from '../compiled-graph.ts';
import { ulp32 } from '../ulp.ts';

const both = z.object({ weight: z.array(z.number()), bias: z.array(z.number()) });
type Both = z.output<typeof both>;
const golden = z
  .object({
    source: z.string(),
    shapes: z.object({ weight: z.tuple([z.int(), z.int()]), bias: z.tuple([z.int()]) }),
    start: both,
    gradients: z.array(both),
    cases: z.array(
      z.object({
        optimizer: z.looseObject({ kind: z.string(), learningRate: z.number() }),
        l2: z.object({ weight: z.number().optional(), bias: z.number().optional() }),
        clipNorm: z.number().nullable(),
        clips: z.enum(['loss', 'lossAndPenalty']),
        norms: z.array(z.number()),
        f64: z.array(both),
      }),
    ),
  })
  .parse(JSON.parse(readFileSync(new URL('../../../golden/regularizers.json', import.meta.url), 'utf8')));
type Case = (typeof golden.cases)[number];

const [UNITS, INPUTS] = golden.shapes.weight;
const ROWS = 2 * INPUTS + 1;

/**
 * Rows under which a product's gradients are what is wanted, exactly: a row that has input i alone gives the weights'
 * column i, the next, of zeros, takes it out of the bias's sum again, and the last, of zeros too, is the bias's own.
 */
function cotangentFor({ weight, bias }: Both): Float32Array {
  const rows = Array.from({ length: ROWS }, (_, r) =>
    Array.from({ length: UNITS }, (_, u) => {
      if (r === ROWS - 1) return bias[u] ?? Number.NaN;
      const own = weight[u * INPUTS + Math.floor(r / 2)] ?? Number.NaN;
      return r % 2 === 0 ? own : -own;
    }),
  );
  return Float32Array.from(rows.flat());
}
const features = Float32Array.from({ length: ROWS * INPUTS }, (_, i) =>
  Math.floor(i / INPUTS) === 2 * (i % INPUTS) ? 1 : 0,
);

function specOf({ optimizer, l2, clipNorm }: Omit<Case, 'norms' | 'f64' | 'clips'>): PlanSpec {
  const penalty = (lambda: number | undefined) => (lambda === undefined ? undefined : { kind: 'l2', lambda });
  const spec = engineSpec.parse({
    data: { dataset: 'none', target: 'none' },
    model: { layers: [{ kind: 'dense', units: UNITS }] },
    optimizer,
    regularization: { weights: penalty(l2.weight), biases: penalty(l2.bias) },
    training: {
      epochs: 1,
      gradientClipping: clipNorm === null ? undefined : { kind: 'norm', max: clipNorm },
    },
  });
  return { ...spec, loss: losses.schema.parse({ kind: 'meanSquaredError' }), metrics: [] };
}

/** Both parameters after each step. */
function path(backend: CreateExecutor, c: Case): Both[] {
  const spec = specOf(c);
  const optimizer = optimizers.get(spec.optimizer.kind);
  const compiled = compileGraph({
    batchSize: ROWS,
    features: INPUTS,
    build: (graph) => {
      const fans = { fanIn: INPUTS, fanOut: UNITS, initializer: { kind: 'zeros' } };
      const weight = graph.parameter('weight', { ...fans, shape: [UNITS, INPUTS], role: 'weight' });
      const bias = graph.parameter('bias', { ...fans, shape: [UNITS], role: 'bias' });
      return graph.affine(graph.data, weight, bias);
    },
    update: {
      make: ({ buffers, info }) => createUpdate(spec, info, buffers),
      slots: optimizer.slots(spec.optimizer),
      inputs: ['inverseRows', ...optimizer.scalarNames],
    },
  });
  const { plan } = compiled;
  const executor = backend(plan, { rows: ROWS, features, targets: new Float32Array(ROWS) }, 1);
  writeValues(
    executor,
    plan,
    [golden.start.weight, golden.start.bias].map((v) => Float32Array.from(v)),
  );
  const steps = golden.gradients.map((gradient, step): Both => {
    executor.write(compiled.cotangent, cotangentFor(gradient));
    const scalars = optimizer.scalars(spec.optimizer, step + 1, c.optimizer.learningRate);
    executor.run('train', stepOf(compiled, ROWS, { scalars: [1 / ROWS, ...scalars] }));
    const [weight = [], bias = []] = readState(executor, plan).values.map((v) => [...v]);
    return { weight, bias };
  });
  executor.dispose();
  return steps;
}

const numbers = ({ weight, bias }: Both): number[] => [...weight, ...bias];
const start = numbers(golden.start);

/** The largest error in units of what rounding allows. */
function distance(steps: readonly Both[], wanted: readonly Both[]): number {
  const errors = wanted.flatMap((at, step) =>
    numbers(at).map((v, i) => {
      // As optimizers.test.ts has it: two roundings a step of numbers no larger than the start, or 1/16.
      const size = Math.max(Math.abs(start[i] ?? 0), Math.abs(v), 2 ** -4);
      return Math.abs((numbers(steps[step] ?? at)[i] ?? NaN) - v) / (2 * (step + 1) * ulp32(size));
    }),
  );
  return Math.max(...errors);
}

const nameOf = ({ optimizer, l2, clipNorm }: Case): string =>
  `${optimizer.kind}, l2 ${JSON.stringify(l2)}, norm at most ${clipNorm}`;
const cases = golden.cases.filter(({ clips }) => clips === 'loss');

describe.each(Object.entries(allBackends))(`against ${golden.source} on %s`, (_, backend) => {
  it.each(cases.map((c) => [nameOf(c), c] as const))('%s', (_name, c) => {
    expect(distance(path(backend, c), c.f64)).toBeLessThanOrEqual(1);
  });
});

it('clips the gradient of the loss alone: paths that clip the penalty too are others', () => {
  const others = golden.cases.filter(({ clips }) => clips === 'lossAndPenalty');
  expect(others.length).toBeGreaterThan(0);
  for (const c of others) expect(distance(path(backends.interpreter, c), c.f64)).toBeGreaterThan(1000);
});

it('leaves a gradient below the largest norm as it is, to the bit', () => {
  const [c] = cases.filter(({ clipNorm }) => clipNorm === null);
  if (c === undefined) throw new Error('no case without clipping');
  // The factor is 1 then, and what it multiplies does not change.
  expect(path(backends.interpreter, { ...c, clipNorm: 1e6 })).toEqual(path(backends.interpreter, c));
});

describe('schemas', () => {
  it.each([
    { kind: 'l2', lambda: -1 },
    { kind: 'l2' },
    { kind: 'l2', lambda: Infinity },
    { kind: 'l1', lambda: 1 },
  ])('of penalties refuse %j', (spec) => expect(regularizers.schema.safeParse(spec).success).toBe(false));
  it.each([{ kind: 'norm', max: 0 }, { kind: 'norm', max: -1 }, { kind: 'norm' }, { kind: 'value', max: 1 }])(
    'of clippings refuse %j',
    (spec) => expect(gradientClippings.schema.safeParse(spec).success).toBe(false),
  );
});
