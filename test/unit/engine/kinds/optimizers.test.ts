import { describe, expect, it } from 'vitest';
import { constant, input } from '../../../../src/engine/expr.ts';
import { optimizers } from '../../../../src/engine/kinds/optimizers/registry.ts';
import golden from '../../../golden/optimizers.json' with { type: 'json' };
import { evaluate } from '../evaluate.ts';
import { ulp32 } from '../ulp.ts';

/** The parameter after each step, starting from slots of zeros. */
function train(
  spec: { readonly kind: string; readonly [field: string]: unknown },
  rates: readonly number[],
  gradientAt = (_: readonly number[], step: number): readonly number[] => golden.gradients[step] ?? [],
): number[][] {
  const kind = optimizers.get(spec.kind);
  const parsed = kind.schema.parse(spec);
  const slots = kind.slots(parsed);
  const named = (names: readonly string[], extent: 'full' | 'scalar') =>
    Object.fromEntries(names.map((name) => [name, input(name, extent)]));
  const update = kind.update(
    {
      parameter: input('parameter'),
      gradient: input('gradient'),
      slots: named(slots, 'full'),
      scalars: named(kind.scalarNames, 'scalar'),
    },
    parsed,
  );
  let state: Record<string, ArrayLike<number>> = { parameter: golden.start };
  for (const slot of slots) state[slot] = golden.start.map(() => 0);
  return rates.map((rate, step) => {
    const scalars = kind.scalars(parsed, step + 1, rate).map((v, i) => [kind.scalarNames[i], [v]]);
    const inputs = {
      ...state,
      gradient: gradientAt(Array.from(state.parameter ?? []), step),
      ...Object.fromEntries(scalars),
    };
    const domain = { rows: 1, columns: golden.start.length, inputs };
    state = { parameter: evaluate(update.parameter, domain) };
    for (const slot of slots) state[slot] = evaluate(update.slots[slot] ?? constant(NaN), domain);
    return Array.from(state.parameter ?? []);
  });
}

describe(`against ${golden.source}`, () => {
  it.each(golden.cases.map((c) => [JSON.stringify(c.spec), c] as const))('%s', (_, { spec, rates, f64 }) => {
    const path = train(spec, rates);
    f64.forEach((wanted, step) => {
      wanted.forEach((v, i) => {
        // Each step rounds the parameter by half an ulp of its size, and its update (here never larger than the
        // start or 1) by a few 2⁻²⁴ of the update: two ulp a step cover both.
        const size = Math.max(Math.abs(golden.start[i] ?? 0), Math.abs(v), 2 ** -4);
        const error = Math.abs((path[step]?.[i] ?? NaN) - v);
        expect(error, `step ${step + 1}, element ${i}`).toBeLessThanOrEqual(2 * (step + 1) * ulp32(size));
      });
    });
  });

  it('is as near to its f64 path as its own f32 path is, within a factor', () => {
    for (const { spec, rates, f32, f64 } of golden.cases) {
      if (f32 === undefined) continue;
      const distance = (path: readonly number[][]): number =>
        Math.max(
          ...f64.flatMap((row, s) =>
            row.map((v, i) => Math.abs((path[s]?.[i] ?? NaN) - v) / Math.max(1, Math.abs(v))),
          ),
        );
      expect(distance(train(spec, rates))).toBeLessThanOrEqual(4 * distance(f32) + 2 ** -24);
    }
  });
});

const steady = golden.gradients.map(() => 0.1);
const falling = golden.gradients.map((_, t) => 0.1 * 0.5 ** t);

describe.each(['momentum', 'nesterov'])('%s', (kind) => {
  const last = (rates: readonly number[], learningRateInside: boolean): number =>
    train({ kind, learningRateInside }, rates).at(-1)?.[4] ?? NaN;

  it('has two forms that differ only under a changing rate', () => {
    expect(Math.abs(last(steady, true) - last(steady, false))).toBeLessThan(1e-4);
    expect(Math.abs(last(falling, true) - last(falling, false))).toBeGreaterThan(1);
  });
});

describe('nesterov', () => {
  it('follows the point ahead of u ← γu + η∇E(θ − γu); θ ← θ − u on E = ½aθ²', () => {
    const curvature = golden.start.map((_, i) => 2 ** i);
    const spec = { kind: 'nesterov', learningRateInside: true, momentum: 0.5 };
    const path = train(spec, falling, (parameter) => curvature.map((a, i) => a * (parameter[i] ?? NaN)));
    const theta = [...golden.start];
    const u = golden.start.map(() => 0);
    falling.forEach((rate, step) => {
      curvature.forEach((a, i) => {
        const ahead = (theta[i] ?? NaN) - 0.5 * (u[i] ?? NaN);
        u[i] = 0.5 * (u[i] ?? NaN) + rate * a * ahead;
        theta[i] = (theta[i] ?? NaN) - (u[i] ?? NaN);
        const wanted = (theta[i] ?? NaN) - 0.5 * (u[i] ?? NaN);
        // Four roundings a step, of numbers no larger than the start (0.25 at least, for the one that starts at 0);
        // a step multiplies what there is by less than 1 here: ηa is at most 1.6, and falls.
        const bound = 4 * (step + 1) * ulp32(Math.max(Math.abs(golden.start[i] ?? NaN), 0.25));
        const error = Math.abs((path[step]?.[i] ?? NaN) - wanted);
        expect(error, `step ${step + 1}, element ${i}`).toBeLessThanOrEqual(bound);
      });
    });
  });
});

describe('adamw', () => {
  it('without decay is adam, to the bit', () => {
    const decayless = { kind: 'adamw', weightDecay: 0 };
    expect(train(decayless, falling)).toEqual(train({ kind: 'adam' }, falling));
  });

  it('without a gradient shrinks every parameter by 1 − ηλ a step, however large it is', () => {
    const spec = { kind: 'adamw', weightDecay: 0.5 };
    const path = train(spec, steady, (parameter) => parameter.map(() => 0));
    path.forEach((parameters, step) => {
      parameters.forEach((v, i) => {
        const wanted = (golden.start[i] ?? NaN) * 0.95 ** (step + 1);
        expect(Math.abs(v - wanted)).toBeLessThanOrEqual((step + 1) * ulp32(wanted));
      });
    });
  });
});

describe('schemas', () => {
  it.each([
    { kind: 'sgd', learningRate: 0 },
    { kind: 'sgd', learningRate: -1 },
    { kind: 'sgd', learningRate: Infinity },
    { kind: 'sgd', learningRate: Number.NaN },
    { kind: 'sgd', learningRate: '0.1' },
    { kind: 'momentum', momentum: 1 },
    { kind: 'momentum', momentum: -0.1 },
    { kind: 'adam', beta1: 1 },
    { kind: 'adam', beta2: 1 },
    { kind: 'adam', epsilon: 0 },
    { kind: 'adam', epsilon: 1e-50 },
    { kind: 'nesterov', momentum: 1 },
    { kind: 'adamw', beta2: 1 },
    { kind: 'adamw', weightDecay: -0.1 },
    { kind: 'adamw', weightDecay: Infinity },
  ])('refuse %j', (spec) => {
    expect(optimizers.schema.safeParse(spec).success).toBe(false);
  });

  it('accept an absurd rate: the run diverges and says so', () => {
    expect(optimizers.schema.parse({ kind: 'sgd', learningRate: 1e308 })).toMatchObject({
      learningRate: 1e308,
    });
  });
});
