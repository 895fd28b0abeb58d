/**
 * U[−a, a) with a = √(6/(fan in + fan out)), so that Var = 2/(fan in + fan out); for symmetric activations.
 * Glorot, Bengio: "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.
 */
import { z } from 'zod';
import type { InitializerKind } from '../kind.ts';

const schema = z.strictObject({ kind: z.literal('xavierUniform') }).meta({
  id: 'XavierUniformInitializer',
  description: 'Uniform in ±√(6 / (fan in + fan out)); suits symmetric activations',
});

export const xavierUniform: InitializerKind<typeof schema> = {
  kind: 'xavierUniform',
  schema,
  fill: ({ count, fanIn, fanOut, random }) => {
    const bound = Math.sqrt(6 / (fanIn + fanOut));
    return Float32Array.from({ length: count }, () => (2 * random.uniform() - 1) * bound);
  },
};
