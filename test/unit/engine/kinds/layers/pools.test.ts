/** Against PyTorch. The tables' numbers are multiples of 2⁻¹² and their sums exact in f32, in whatever order. */
import { describe, expect, it } from 'vitest';
import { allBackends } from '../../codegen/candidates.ts';
import { expectWithin, golden, ROUNDING, samplesOf, shapeOf } from './golden.ts';
import { layerUnderTest } from './one-layer.ts';

const { maxPool2d, avgPool2d } = golden.tables;
type PoolCase = (typeof maxPool2d)[number];

describe.each(Object.entries(allBackends))(`pools against ${golden.source} on %s`, (_, backend) => {
  const run = (kind: string, { kernel, stride, padding, input, gradient }: PoolCase) => {
    const rows = samplesOf(input);
    const layer = layerUnderTest(backend, {
      spec: { kind, kernel, stride, padding },
      inputs: [shapeOf(input)],
      batchSize: rows,
    });
    layer.write({ input: input.values });
    const { output, gradients } = layer.train({ rows, gradient: gradient.values });
    expect(layer.infer(rows)).toEqual(output);
    layer.dispose();
    return { output, gradient: gradients.input ?? new Float32Array() };
  };

  it.each(maxPool2d.map((c) => [c.name, c] as const))('maxPool2d, exactly: %s', (_name, c) => {
    const found = run('maxPool2d', c);
    expect([...found.output]).toEqual(c.output.values);
    expect([...found.gradient]).toEqual(c.gradients.input.values);
  });

  it.each(avgPool2d.map((c) => [c.name, c] as const))('avgPool2d, rounded once: %s', (_name, c) => {
    const found = run('avgPool2d', c);
    // The table has twelve digits.
    const once = (values: readonly number[]) => values.map((v) => Math.abs(v) * (ROUNDING + 1e-11));
    expectWithin(found.output, c.output.values, once(c.output.values), 'output');
    expectWithin(found.gradient, c.gradients.input.values, once(c.gradients.input.values), 'gradient');
  });

  it.each(['maxPool2d', 'avgPool2d'])('%s takes windows side by side unless told', (kind) => {
    const layer = layerUnderTest(backend, {
      spec: { kind, kernel: [2, 3] },
      inputs: [{ features: 1, image: { height: 5, width: 7 } }],
      batchSize: 1,
    });
    expect(layer.outputSize).toBe(4);
    layer.dispose();
  });

  it('maxPool2d takes a NaN for the largest', () => {
    const layer = layerUnderTest(backend, {
      spec: { kind: 'maxPool2d', kernel: 2 },
      inputs: [{ features: 1, image: { height: 2, width: 4 } }],
      batchSize: 1,
    });
    layer.write({ input: [1, 5, NaN, 2, NaN, 7, 3, 9] });
    const { output, gradients } = layer.train({ rows: 1, gradient: [1, 2] });
    expect([...output]).toEqual([NaN, NaN]);
    expect([...(gradients.input ?? [])]).toEqual([0, 0, 2, 0, 1, 0, 0, 0]);
    layer.dispose();
  });
});
