/**
 * Against PyTorch in double precision. A sum of n products is off by at most (n + 1)·2⁻²⁴ of the sum of the products'
 * absolute values, which is what the layer itself makes of the absolute values of all numbers.
 */
import { describe, expect, it } from 'vitest';
import { allBackends } from '../../codegen/candidates.ts';
import { expectWithin, golden, ROUNDING, samplesOf, shapeOf } from './golden.ts';
import { layerUnderTest } from './one-layer.ts';

const cases = golden.tables.conv2d;
const absolute = (values: ArrayLike<number>): number[] => Array.from(values, Math.abs);
const product = (...sizes: number[]): number => sizes.reduce((a, b) => a * b, 1);

describe.each(Object.entries(allBackends))(`conv2d against ${golden.source} on %s`, (_, backend) => {
  it.each(cases.map((c) => [c.name, c] as const))('%s', (_name, c) => {
    const { filters, kernel, stride, padding, dilation, input, weight, bias, gradient } = c;
    const rows = samplesOf(input);
    const layer = layerUnderTest(backend, {
      spec: { kind: 'conv2d', channels: filters, kernel, stride, padding, dilation },
      inputs: [shapeOf(input)],
      batchSize: rows,
    });
    layer.write({
      input: absolute(input.values),
      weight: absolute(weight.values),
      bias: absolute(bias.values),
    });
    const sizes = layer.train({ rows, gradient: absolute(gradient.values) });
    layer.write({ input: input.values, weight: weight.values, bias: bias.values });
    const found = layer.train({ rows, gradient: gradient.values });

    const [, channels = 0, ...window] = weight.shape;
    const [, , ...positions] = c.output.shape;
    const terms = {
      input: product(filters, ...window),
      weight: product(rows, ...positions),
      bias: product(rows, ...positions),
    };
    const bounds = (sums: ArrayLike<number>, n: number) => Array.from(sums, (v) => (n + 1) * ROUNDING * v);
    const ofOutput = bounds(sizes.output, product(channels, ...window) + 1);
    expectWithin(found.output, c.output.values, ofOutput, 'output');
    expectWithin(layer.infer(rows), c.output.values, ofOutput, 'output at inference');
    for (const name of ['input', 'weight', 'bias'] as const) {
      const wanted = c.gradients[name];
      expectWithin(
        found.gradients[name] ?? [],
        wanted.values,
        bounds(sizes.gradients[name] ?? [], terms[name]),
        `gradient of ${name}`,
      );
    }
    layer.dispose();
  });

  it('takes one number for both sides', () => {
    const spec = (more: object) => ({ kind: 'conv2d', channels: 2, ...more });
    const outputs = [
      spec({ kernel: 3, stride: 2, padding: 1, dilation: 2 }),
      spec({ kernel: [3, 3], stride: [2, 2], padding: [1, 1], dilation: [2, 2] }),
    ].map((written) => {
      const layer = layerUnderTest(backend, {
        spec: written,
        inputs: [{ features: 2, image: { height: 7, width: 6 } }],
        batchSize: 1,
      });
      layer.write({ input: Array.from({ length: 84 }, (_, i) => Math.cos(i)) });
      return layer.infer(1);
    });
    expect(outputs[0]).toEqual(outputs[1]);
  });
});
