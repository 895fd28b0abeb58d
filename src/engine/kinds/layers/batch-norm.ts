/**
 * y = γ·(x − μ)/√(σ² + ε) + β per feature, or per channel over all positions of the images (PyTorch's BatchNorm1d and
 * BatchNorm2d; Ioffe, Szegedy, arXiv:1502.03167). In training μ and σ² are the step's own, σ² over n; the running
 * statistics move by `momentum` towards μ and the unbiased σ²·n/(n − 1), and are what inference uses. A step of a single
 * row gives y = β.
 */
import { z } from 'zod';
import { add, colSum, div, input, max, mul, sqrt, sub } from '../../expr.ts';
import type { LayerKind } from '../kind.ts';
import { normFields, only } from './fields.ts';

const schema = z
  .strictObject({
    kind: z.literal('batchNorm'),
    ...normFields,
    momentum: z.number().gt(0).lte(1).default(0.1).describe('Weight of a step in the running statistics'),
  })
  .meta({ id: 'BatchNormLayer', description: 'Normalises each feature or channel over the batch' });

export const batchNorm: LayerKind<typeof schema> = {
  kind: 'batchNorm',
  schema,
  takes: 'one',
  outputShape: (inputs) => only(inputs),
  parameterCount: (inputs) => 2 * only(inputs).features,
  multiplications: () => 0,
  build: (graph, [x], { momentum, epsilon }, name) => {
    const values = (what: string, value: number, role: 'scale' | 'bias' | 'statistic') =>
      graph.parameter(`${name}.${what}`, {
        shape: [x.features],
        fanIn: x.features,
        fanOut: x.features,
        initializer: { kind: 'constant', value },
        role,
      });
    const parameters = {
      weight: values('weight', 1, 'scale'),
      bias: values('bias', 0, 'bias'),
      runningMean: values('runningMean', 0, 'statistic'),
      runningVariance: values('runningVariance', 1, 'statistic'),
    };
    const [weight, bias, runningMean, runningVariance] = [
      'weight',
      'bias',
      'runningMean',
      'runningVariance',
    ].map((p) => input(p, 'col')) as [Column, Column, Column, Column];
    const positions = x.image === null ? 1 : x.image.height * x.image.width;
    const rows = mul(input('rows', 'scalar'), positions);
    const mean = div(colSum(input('x')), rows);
    const centered = sub(input('x'), mean);
    const variance = div(colSum(mul(centered, centered)), rows);
    const unbiased = mul(variance, div(rows, max(sub(rows, 1), 1)));
    const normal = (from: Column, v: Column) => add(mul(from, div(weight, sqrt(add(v, epsilon)))), bias);
    const moved = (from: Column, to: Column) => add(mul(from, 1 - momentum), mul(to, momentum));
    return graph.combine({
      inputs: { x },
      parameters,
      training: normal(centered, variance),
      inference: normal(sub(input('x'), runningMean), runningVariance),
      next: { runningMean: moved(runningMean, mean), runningVariance: moved(runningVariance, unbiased) },
    });
  },
  activation: () => null,
};

type Column = ReturnType<typeof input>;
