import { describe, expect, it } from 'vitest';
import { vjp } from '../../../../src/engine/derive.ts';
import { input, mul } from '../../../../src/engine/expr.ts';
import { activations } from '../../../../src/engine/kinds/activations/registry.ts';
import golden from '../../../golden/activations.json' with { type: 'json' };
import { evaluate } from '../evaluate.ts';
import { ulp32 } from '../ulp.ts';
import { exampleSpec } from './example-spec.ts';

const x = input('x');

describe(`against ${golden.source} in f64`, () => {
  // The inputs are exact in f32 and exp is within 1 ulp; an addition and a division each round by half of one.
  const VALUE_ULPS = 3;
  // σ′ = y(1 − y) and tanh′ = 1 − y² take the difference of numbers near 1 that are 3 ulp (of ½ to 1: 2⁻²⁴) off.
  const GRADIENT_ABSOLUTE = 2 * VALUE_ULPS * 2 ** -24;

  const { softmax: _, ...elementwise } = golden.tables;
  it.each(Object.entries(elementwise))('%s', (name, table) => {
    const kind = activations.get(name);
    const spec = exampleSpec(kind);
    const domain = { rows: 1, columns: table.x.length, inputs: { x: table.x } };
    const y = evaluate(kind.formula(x, spec), domain);
    const derived = evaluate(vjp(kind.formula(x, spec), 'x', mul(1, 1)), domain);
    const given = evaluate(kind.derivativeFromOutput?.(input('y'), spec) ?? x, { ...domain, inputs: { y } });
    table.x.forEach((at, i) => {
      const [value = NaN, gradient = NaN] = [table.y[i], table.gradient[i]];
      expect(Math.abs((y[i] ?? NaN) - value), `${name}(${at})`).toBeLessThanOrEqual(
        VALUE_ULPS * ulp32(value),
      );
      for (const form of [derived, given]) {
        const error = Math.abs((form[i] ?? NaN) - gradient);
        expect(error, `${name}′(${at})`).toBeLessThanOrEqual(GRADIENT_ABSOLUTE);
      }
    });
  });

  it('softmax', () => {
    const { x: rows, y, gradient, weights } = golden.tables.softmax;
    const kind = activations.get('softmax');
    const e = kind.formula(x, exampleSpec(kind));
    const columns = rows[0]?.length ?? 0;
    const domain = { rows: rows.length, columns, inputs: { x: rows.flat(), w: weights.flat() } };
    const values = evaluate(e, domain);
    // Here x − max rounds too (by 2⁻²⁴·|x − max|, at most 21 where the result is not 0), and five terms are summed.
    y.flat().forEach((v, i) => {
      expect(Math.abs((values[i] ?? NaN) - v), `element ${i}`).toBeLessThanOrEqual(24 * ulp32(v));
    });
    const gradients = evaluate(vjp(e, 'x', input('w')), domain);
    gradient.flat().forEach((v, i) => {
      expect(Math.abs((gradients[i] ?? NaN) - v), `gradient ${i}`).toBeLessThanOrEqual(8 * 2 ** -24);
    });
  });
});

describe('relu', () => {
  it('has slope 0 at 0, and turns −0 into 0', () => {
    const kind = activations.get('relu');
    const e = kind.formula(x, exampleSpec(kind));
    const domain = { rows: 1, columns: 2, inputs: { x: [0, -0] } };
    expect([...evaluate(e, domain)]).toEqual([0, 0]);
    expect([...evaluate(vjp(e, 'x', mul(1, 1)), domain)]).toEqual([0, 0]);
  });
});

describe('softmax', () => {
  it('gives rows that sum to 1, however large their numbers', () => {
    const kind = activations.get('softmax');
    const e = kind.formula(x, exampleSpec(kind));
    const [a = NaN, b = NaN] = evaluate(e, { rows: 1, columns: 2, inputs: { x: [3e38, 3e38] } });
    expect([a, b]).toEqual([0.5, 0.5]);
  });
});
