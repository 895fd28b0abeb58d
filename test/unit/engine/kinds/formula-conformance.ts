/** What every kind that is a formula must satisfy: activations, losses, metrics and optimisers. */
import { expect, it } from 'vitest';
import { vjp } from '../../../../src/engine/derive.ts';
import type { Expr } from '../../../../src/engine/expr.ts';
import { constant, extentOf, input, laneType, mul, operands } from '../../../../src/engine/expr.ts';
import type {
  ActivationKind,
  GradientClippingKind,
  LossKind,
  MetricKind,
  OptimizerKind,
  RegularizerKind,
  TargetType,
} from '../../../../src/engine/kinds/kind.ts';
import { stream } from '../../../../src/engine/random.ts';
import type { Domain } from '../evaluate.ts';
import { evaluate } from '../evaluate.ts';
import { expectSameBitsEverywhere } from './back-end-conformance.ts';
import { exampleSpec } from './example-spec.ts';
import { checkTyping } from './typing.ts';

const ROWS = 5;
const WIDTHS = [1, 2, 3, 17];
/** Around the sixteen lanes and the panels. */
const LANE_WIDTHS = [1, 15, 16, 33];
const x = input('x');
const t = input('t');

/** Numbers in ±4 that keep clear of the whole and half numbers at which formulas tend to have their kinks. */
function values(count: number, ...path: (string | number)[]): number[] {
  const random = stream(1, ...path);
  return Array.from({ length: count }, () => {
    const v = 8 * random.uniform() - 4;
    const offset = v * 2 - Math.floor(v * 2);
    return Math.abs(offset - 0.5) > 0.45 ? v + 0.1 : v;
  });
}

const reduces = (e: Expr): boolean => e.op === 'reduce' || operands(e).some(reduces);
const total = (a: Iterable<number>): number => [...a].reduce((sum, v) => sum + v, 0);

/** The derived gradient of Σ g·e with respect to x against central differences, both in f64. */
function expectGradient(e: Expr, domain: Domain, cotangent: Expr): void {
  const gradient = evaluate(vjp(e, 'x', cotangent), domain, 'f64');
  // A value per row stands in all its columns: count it once.
  const share = extentOf(e) === 'row' ? 1 / domain.columns : 1;
  const sum = (changed: readonly number[]): number => {
    const moved = { ...domain, inputs: { ...domain.inputs, x: changed } };
    return total(evaluate(mul(e, cotangent), moved, 'f64')) * share;
  };
  const at = Array.from(domain.inputs.x ?? []);
  const step = 2 ** -17;
  at.forEach((_, i) => {
    const moved = (by: number): number[] => at.map((v, j) => (j === i ? v + by : v));
    const wanted = (sum(moved(step)) - sum(moved(-step))) / (2 * step);
    // Central differences err by step²·f‴/6 + 2⁻⁵²·|f|/step, a few 1e-10 for sums of this size.
    expect(Math.abs((gradient[i] ?? NaN) - wanted), `element ${i}`).toBeLessThan(
      1e-7 * Math.max(1, Math.abs(wanted)),
    );
  });
}

export function describeActivation(kind: ActivationKind): void {
  const spec = exampleSpec(kind);
  const e = kind.formula(x, spec);

  it('is a well-typed formula of x alone, the same each time', () => {
    expect([...checkTyping(e)]).toEqual(['x']);
    expect([laneType(e), extentOf(e)]).toEqual(['f32', 'full']);
    expect(kind.formula(x, spec)).toEqual(e);
  });

  it.each(WIDTHS)('has the derivative that finite differences show, over %i columns', (columns) => {
    const inputs = { x: values(ROWS * columns, kind.kind), g: values(ROWS * columns, kind.kind, 'g') };
    expectGradient(e, { rows: ROWS, columns, inputs }, input('g'));
  });

  it('stays finite in f32 far out, and so does its derivative', () => {
    const far = [-1e4, -1e3, -104, -88, -30, 0, 30, 88, 104, 1e3, 1e4];
    const domain = { rows: 1, columns: far.length, inputs: { x: far } };
    expect([...evaluate(e, domain)].filter((v) => !Number.isFinite(v))).toEqual([]);
    const gradient = evaluate(vjp(e, 'x', constant(1)), domain);
    expect([...gradient].filter((v) => !Number.isFinite(v))).toEqual([]);
  });

  it('lets a NaN through', () => {
    expect(evaluate(e, { rows: 1, columns: 1, inputs: { x: [NaN] } })[0]).toBeNaN();
  });

  it.each(LANE_WIDTHS)('gives the same bits on every back end, over %i columns', (columns) => {
    const edges = [0, -0, 1e-40, -20, 20, 89, -104, 1e30, Infinity, -Infinity, NaN];
    const at = [...edges, ...values(ROWS * columns, kind.kind, 'bits')].slice(0, ROWS * columns);
    const inputs = { x: at, g: values(ROWS * columns, kind.kind, 'bits', 'g') };
    const gradient = vjp(e, 'x', input('g'));
    expectSameBitsEverywhere({ value: e, gradient }, { rows: ROWS, columns, inputs });
  });

  const { derivativeFromOutput } = kind;
  if (derivativeFromOutput === undefined) return;
  it('has a derivative from its output that agrees with the derived one', () => {
    expect(reduces(e)).toBe(false);
    const fromOutput = derivativeFromOutput(input('y'), spec);
    for (const name of checkTyping(fromOutput)) expect(name).toBe('y');
    const at = [...values(100, kind.kind, 'output'), -100, -20, -1, -0.5, 0, 0.5, 1, 20, 100];
    const domain = { rows: 1, columns: at.length, inputs: { x: at } };
    const y = evaluate(e, domain, 'f64');
    const given = evaluate(fromOutput, { ...domain, inputs: { y } }, 'f64');
    const derived = evaluate(vjp(e, 'x', constant(1)), domain, 'f64');
    // Written in y, a derivative that vanishes is a difference of numbers near 1: 2⁻⁵² is lost.
    at.forEach((v, i) => {
      expect(Math.abs((given[i] ?? NaN) - (derived[i] ?? NaN)), `at ${v}`).toBeLessThan(1e-14);
    });
  });
}

/** Targets as the engine would give them: numbers, or classes as one-hot rows or a single 0/1 column. */
function targets(type: TargetType, columns: number, name: string): number[] {
  if (type === 'numeric') return values(ROWS * columns, name, 't');
  const random = stream(2, name);
  return Array.from({ length: ROWS }, () => {
    const pick = random.uint32() % Math.max(columns, 2);
    return columns === 1 ? [pick] : Array.from({ length: columns }, (_, c) => (c === pick ? 1 : 0));
  }).flat();
}

export function describeLoss(kind: LossKind): void {
  const spec = exampleSpec(kind);
  const cases = kind.targets.flatMap((type) => [2, 3, 17].map((classes) => ({ type, classes })));

  it.each(cases)('is a well-typed value per row for $type targets ($classes classes)', (target) => {
    const { units, why } = kind.outputs(target);
    expect(Number.isInteger(units) && units > 0).toBe(true);
    expect(why).not.toBe('');
    const e = kind.formula(x, t, spec, units);
    expect([...checkTyping(e)].sort()).toEqual(['t', 'x']);
    expect([laneType(e), extentOf(e)]).toEqual(['f32', 'row']);
    expect(kind.formula(x, t, spec, units)).toEqual(e);
  });

  it.each(cases)(
    'has the gradient that finite differences show for $type targets ($classes classes)',
    (target) => {
      const columns = kind.outputs(target).units;
      const inputs = {
        x: values(ROWS * columns, kind.kind),
        t: targets(target.type, columns, kind.kind),
        g: values(ROWS, kind.kind, 'g'),
      };
      expectGradient(kind.formula(x, t, spec, columns), { rows: ROWS, columns, inputs }, input('g', 'row'));
    },
  );

  it.each(cases)(
    'stays finite in f32 for outputs of ±1000, for $type targets ($classes classes)',
    (target) => {
      const columns = kind.outputs(target).units;
      const inputs = {
        x: Array.from({ length: ROWS * columns }, (_, i) => [1000, -1000, 0][i % 3] ?? 0),
        t: targets(target.type, columns, kind.kind),
      };
      const e = kind.formula(x, t, spec, columns);
      for (const part of [e, vjp(e, 'x', constant(1))]) {
        expect(
          [...evaluate(part, { rows: ROWS, columns, inputs })].filter((v) => !Number.isFinite(v)),
        ).toEqual([]);
      }
    },
  );

  it.each(cases)('does not hide a NaN, for $type targets ($classes classes)', (target) => {
    const columns = kind.outputs(target).units;
    const inputs = {
      x: Array.from({ length: ROWS * columns }, () => NaN),
      t: targets(target.type, columns, kind.kind),
    };
    expect(
      evaluate(kind.formula(x, t, spec, columns), { rows: ROWS, columns, inputs }).every(Number.isNaN),
    ).toBe(true);
  });
}

export function describeMetric(kind: MetricKind): void {
  const cases = kind.targets.flatMap((type) =>
    (type === 'numeric' ? [1, 3] : [1, 3, 17]).map((n) => ({ type, n })),
  );

  it.each(cases)('is a well-typed value per row for $type targets ($n outputs)', ({ n }) => {
    const e = kind.formula(input('y'), t, n);
    expect([...checkTyping(e)].sort()).toEqual(['t', 'y']);
    expect([laneType(e), extentOf(e)]).toEqual(['f32', 'row']);
    expect(kind.formula(input('y'), t, n)).toEqual(e);
  });

  it.each(cases)('gives the same bits on every back end for $type targets ($n outputs)', ({ type, n }) => {
    const inputs = { y: values(ROWS * n, kind.kind), t: targets(type, n, kind.kind) };
    const value = kind.formula(input('y'), t, n);
    expectSameBitsEverywhere({ value }, { rows: ROWS, columns: n, inputs });
  });

  it.each(cases)('finds nothing better than the truth, for $type targets ($n outputs)', ({ type, n }) => {
    const truth = targets(type, n, kind.kind);
    const e = kind.formula(input('y'), t, n);
    const score = (y: readonly number[]): number =>
      total(evaluate(e, { rows: ROWS, columns: n, inputs: { y, t: truth } }));
    const best = score(truth);
    const worst = score(truth.map((v) => 1 - v));
    expect(Number.isFinite(best)).toBe(true);
    expect(kind.better === 'higher' ? best > worst : best < worst).toBe(true);
  });
}

export function describeOptimizer(kind: OptimizerKind): void {
  const spec = exampleSpec(kind);
  const slots = kind.slots(spec);
  const named = (names: readonly string[], prefix: string, extent: 'full' | 'scalar'): Record<string, Expr> =>
    Object.fromEntries(names.map((name) => [name, input(`${prefix}.${name}`, extent)]));
  const write = (): ReturnType<OptimizerKind['update']> =>
    kind.update(
      {
        parameter: input('parameter'),
        gradient: input('gradient'),
        slots: named(slots, 'slot', 'full'),
        scalars: named(kind.scalarNames, 'scalar', 'scalar'),
      },
      spec,
    );
  const update = write();

  it('names its slots and scalars once', () => {
    expect(new Set(slots).size).toBe(slots.length);
    expect(new Set(kind.scalarNames).size).toBe(kind.scalarNames.length);
    expect(Object.keys(update.slots).sort()).toEqual([...slots].sort());
  });

  it('is well typed and reads only what it declares', () => {
    const known = new Set(['parameter', 'gradient', ...slots.map((s) => `slot.${s}`)]);
    for (const name of kind.scalarNames) known.add(`scalar.${name}`);
    for (const e of [update.parameter, ...Object.values(update.slots)]) {
      expect([...checkTyping(e)].filter((name) => !known.has(name))).toEqual([]);
      expect([laneType(e), extentOf(e)]).toEqual(['f32', 'full']);
    }
    expect(write()).toEqual(update);
  });

  it('has finite scalars at every step', () => {
    for (const step of [1, 2, 1000, 1e9]) {
      const scalars = kind.scalars(spec, step, 0.01);
      expect(scalars).toHaveLength(kind.scalarNames.length);
      expect(scalars.every((v) => Number.isFinite(v))).toBe(true);
      expect(kind.scalars(spec, step, 0.01)).toEqual(scalars);
    }
  });

  it.each(LANE_WIDTHS)('gives the same bits on every back end, over %i columns', (columns) => {
    const list = (name: string): number[] => values(ROWS * columns, kind.kind, name);
    const scalars = kind
      .scalars(spec, 3, 0.01)
      .map((v, i) => [`scalar.${kind.scalarNames[i]}`, [v]] as const);
    // A mean of squares is among what slots hold: they are given positive numbers.
    const state = slots.map((s) => [`slot.${s}`, list(s).map(Math.abs)] as const);
    const inputs = {
      parameter: list('parameter'),
      gradient: list('gradient'),
      ...Object.fromEntries([...scalars, ...state]),
    };
    const formulas = { ...update.slots, parameter: update.parameter };
    expectSameBitsEverywhere(formulas, { rows: ROWS, columns, inputs });
  });

  it('goes downhill on ½θ² from either side', () => {
    let parameter = new Float64Array([2, -2, 0.5]);
    let state = Object.fromEntries(slots.map((s) => [`slot.${s}`, new Float64Array(3)]));
    for (let step = 1; step <= 100; step++) {
      const scalars = kind
        .scalars(spec, step, 0.01)
        .map((v, i) => [`scalar.${kind.scalarNames[i]}`, [v]] as const);
      const inputs = { parameter, gradient: parameter, ...state, ...Object.fromEntries(scalars) };
      const domain = { rows: 1, columns: 3, inputs };
      parameter = Float64Array.from(evaluate(update.parameter, domain));
      state = Object.fromEntries(
        slots.map((s) => [
          `slot.${s}`,
          Float64Array.from(evaluate(update.slots[s] ?? constant(NaN), domain)),
        ]),
      );
    }
    const cost = total([...parameter].map((v) => (v * v) / 2));
    expect(cost).toBeLessThan((4 + 4 + 0.25) / 2);
  });
}

export function describeRegularizer(kind: RegularizerKind): void {
  const spec = exampleSpec(kind);
  const e = kind.formula(x, spec);

  it('is a well-typed formula of the number alone', () => {
    expect([...checkTyping(e)]).toEqual(['x']);
    expect([laneType(e), extentOf(e)]).toEqual(['f32', 'full']);
  });

  it.each(WIDTHS)('has the derivative that finite differences show, over %i columns', (columns) => {
    const inputs = { x: values(ROWS * columns, kind.kind) };
    expectGradient(e, { rows: ROWS, columns, inputs }, constant(1));
  });

  it('is never negative, and nothing at 0', () => {
    const at = [-4, -0.3, 0, 1e-20, 2];
    const penalties = evaluate(e, { rows: 1, columns: at.length, inputs: { x: at } });
    expect([...penalties].every((p) => p >= 0)).toBe(true);
    expect(penalties[2]).toBe(0);
  });
}

export function describeGradientClipping(kind: GradientClippingKind): void {
  const spec = exampleSpec(kind);
  const e = kind.factor(input('squares', 'scalar'), spec);
  const factor = (squares: number): number =>
    evaluate(e, { rows: 1, columns: 1, inputs: { squares: [squares] } })[0] ?? NaN;

  it('is a well-typed formula of the sum of squares', () => {
    expect([...checkTyping(e)]).toEqual(['squares']);
    expect([laneType(e), extentOf(e)]).toEqual(['f32', 'scalar']);
  });

  it('never enlarges, leaves small gradients alone, and shrinks large ones the more', () => {
    expect(factor(0)).toBe(1);
    expect(factor(1e-12)).toBe(1);
    expect(factor(1e4)).toBeLessThan(1);
    expect(factor(1e8)).toBeLessThan(factor(1e4));
  });

  it('lets a gradient that is no number be seen', () => {
    expect(factor(NaN)).toBeNaN();
  });
}
