import { describe, it } from 'vitest';
import { allBackends } from '../../codegen/candidates.ts';
import { expectWithin, golden, ROUNDING, samplesOf, shapeOf } from './golden.ts';
import { normBounds } from './norm-bounds.ts';
import { layerUnderTest } from './one-layer.ts';

const cases = golden.tables.batchNorm;
/** Two roundings of numbers of a size; see norm-bounds.ts. */
const allowed = (size: number): number => 2 * ROUNDING * size;
const largest = (values: readonly number[]): number => Math.max(...values.map(Math.abs));

describe.each(Object.entries(allBackends))(`batchNorm against ${golden.source} on %s`, (_, backend) => {
  it.each(cases.map((c) => [c.name, c] as const))('%s', (_name, c) => {
    const { gamma, beta, momentum, epsilon, steps, inference } = c;
    const features = gamma.values.length;
    const { image } = shapeOf(inference.input);
    const positions = image === null ? 1 : image.height * image.width;
    const layer = layerUnderTest(backend, {
      spec: { kind: 'batchNorm', momentum, epsilon },
      inputs: [{ features, image }],
      batchSize: Math.max(...[...steps, inference].map((s) => samplesOf(s.input))),
    });
    layer.write({ weight: gamma.values, bias: beta.values });
    const wholeBatch = (values: readonly number[]): Float32Array => {
      // A step of fewer rows must not see the others.
      const input = new Float32Array(layer.sizes.input ?? 0).fill(1e6);
      input.set(values);
      return input;
    };
    for (const { input, gradient, output, gradients, runningMean, runningVariance } of steps) {
      layer.write({ input: wholeBatch(input.values) });
      const rows = samplesOf(input);
      const featureOf = (i: number): number => Math.floor(i / positions) % features;
      const bounds = normBounds({
        input: input.values,
        gradient: gradient.values,
        gamma: gamma.values,
        beta: beta.values,
        epsilon,
        featureOf,
        groupOf: featureOf,
      });
      const found = layer.train({ rows, gradient: gradient.values });
      expectWithin(found.output, output.values, bounds.output, 'output');
      const own = found.gradients.input?.subarray(0, input.values.length) ?? [];
      expectWithin(own, gradients.input.values, bounds.input, 'gradient of the input');
      expectWithin(found.gradients.weight ?? [], gradients.gamma.values, bounds.gamma, 'gradient of γ');
      expectWithin(found.gradients.bias ?? [], gradients.beta.values, bounds.beta, 'gradient of β');
      // A mean is known to some roundings of what was summed. Squares all have one sign: a variance is known to some of
      // its own, one for each of the operations it goes through after the sum.
      const mean = runningMean.values.map((v) => allowed(Math.abs(v) + momentum * largest(input.values)));
      expectWithin(layer.read('runningMean'), runningMean.values, mean, 'running mean');
      const variance = runningVariance.values.map((v) => allowed(2 * v));
      expectWithin(layer.read('runningVariance'), runningVariance.values, variance, 'running variance');
    }
    layer.write({ input: wholeBatch(inference.input.values) });
    const last = steps.at(-1);
    const bounds = inference.input.values.map((x, i) => {
      const f = Math.floor(i / positions) % features;
      const slope = (gamma.values[f] ?? 0) / Math.sqrt((last?.runningVariance.values[f] ?? 0) + epsilon);
      const mean = last?.runningMean.values[f] ?? 0;
      return allowed(Math.abs(slope) * (Math.abs(x) + Math.abs(mean)) + Math.abs(beta.values[f] ?? 0));
    });
    const answer = layer.infer(samplesOf(inference.input));
    expectWithin(answer, inference.output.values, bounds, 'output at inference');
    layer.dispose();
  });
});
