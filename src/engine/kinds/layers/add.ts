/** The sum of layers of one shape, element by element: a skip connection. */
import { z } from 'zod';
import type { LayerKind } from '../kind.ts';
import { describeShape, only, severalInputs } from './fields.ts';

const schema = z
  .strictObject({ kind: z.literal('add'), ...severalInputs })
  .meta({ id: 'AddLayer', description: 'The sum of layers of one shape: a skip connection' });

export const add: LayerKind<typeof schema> = {
  kind: 'add',
  schema,
  takes: 'several',
  outputShape: (inputs) => {
    const first = only(inputs);
    const same = inputs.every((s) => describeShape(s) === describeShape(first));
    return same ? first : { misfit: 'adds layers of one shape' };
  },
  parameterCount: () => 0,
  multiplications: () => 0,
  kernels: (inputs) => inputs.length,
  build: (graph, [first, ...others]) => others.reduce((sum, x) => graph.add(sum, x), first),
  activation: () => null,
};
