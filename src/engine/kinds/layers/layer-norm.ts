/**
 * y = γ·(x − μ)/√(σ² + ε) + β with the mean and variance of each sample's features, or, in images, of the channels of
 * each position (PyTorch's LayerNorm over the last dimension; Ba, Kiros, Hinton, arXiv:1607.06450).
 */
import { z } from 'zod';
import { add, div, input, mul, rowSum, sqrt, sub } from '../../expr.ts';
import type { LayerKind } from '../kind.ts';
import { normFields, only } from './fields.ts';

const schema = z
  .strictObject({ kind: z.literal('layerNorm'), ...normFields })
  .meta({ id: 'LayerNormLayer', description: 'Normalises each sample over its features or channels' });

export const layerNorm: LayerKind<typeof schema> = {
  kind: 'layerNorm',
  schema,
  takes: 'one',
  outputShape: (inputs) => only(inputs),
  parameterCount: (inputs) => 2 * only(inputs).features,
  multiplications: () => 0,
  build: (graph, [x], { epsilon }, name) => {
    const values = (what: string, value: number, role: 'scale' | 'bias') =>
      graph.parameter(`${name}.${what}`, {
        shape: [x.features],
        fanIn: x.features,
        fanOut: x.features,
        initializer: { kind: 'constant', value },
        role,
      });
    const mean = div(rowSum(input('x')), x.features);
    const centered = sub(input('x'), mean);
    const variance = div(rowSum(mul(centered, centered)), x.features);
    const normal = div(centered, sqrt(add(variance, epsilon)));
    return graph.combine({
      inputs: { x },
      parameters: { weight: values('weight', 1, 'scale'), bias: values('bias', 0, 'bias') },
      training: add(mul(normal, input('weight', 'col')), input('bias', 'col')),
    });
  },
  activation: () => null,
};
