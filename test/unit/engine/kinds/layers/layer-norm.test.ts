import { describe, it } from 'vitest';
import { allBackends } from '../../codegen/candidates.ts';
import { expectWithin, golden, samplesOf, shapeOf } from './golden.ts';
import { normBounds } from './norm-bounds.ts';
import { layerUnderTest } from './one-layer.ts';

describe.each(Object.entries(allBackends))(`layerNorm against ${golden.source} on %s`, (_, backend) => {
  it.each(golden.tables.layerNorm.map((c) => [c.name, c] as const))('%s', (_name, c) => {
    const { input, gamma, beta, epsilon, gradient, gradients } = c;
    const shape = shapeOf(input);
    const rows = samplesOf(input);
    const positions = shape.image === null ? 1 : shape.image.height * shape.image.width;
    const featureOf = (i: number): number => Math.floor(i / positions) % shape.features;
    const groupOf = (i: number): number =>
      Math.floor(i / (positions * shape.features)) * positions + (i % positions);
    const bounds = normBounds({
      input: input.values,
      gradient: gradient.values,
      gamma: gamma.values,
      beta: beta.values,
      epsilon,
      featureOf,
      groupOf,
    });
    const layer = layerUnderTest(backend, {
      spec: { kind: 'layerNorm', epsilon },
      inputs: [shape],
      batchSize: rows,
    });
    layer.write({ input: input.values, weight: gamma.values, bias: beta.values });
    const found = layer.train({ rows, gradient: gradient.values });
    expectWithin(found.output, c.output.values, bounds.output, 'output');
    expectWithin(layer.infer(rows), c.output.values, bounds.output, 'output at inference');
    expectWithin(found.gradients.input ?? [], gradients.input.values, bounds.input, 'gradient of the input');
    expectWithin(found.gradients.weight ?? [], gradients.gamma.values, bounds.gamma, 'gradient of γ');
    expectWithin(found.gradients.bias ?? [], gradients.beta.values, bounds.beta, 'gradient of β');
    layer.dispose();
  });
});
