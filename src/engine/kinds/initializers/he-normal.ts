/**
 * N(0, 2/fan in), for the ReLU family.
 * He, Zhang, Ren, Sun: "Delving deep into rectifiers", arXiv:1502.01852.
 */
import { z } from 'zod';
import type { InitializerKind } from '../kind.ts';

const schema = z.strictObject({ kind: z.literal('heNormal') }).meta({
  id: 'HeNormalInitializer',
  description: 'Normal with standard deviation √(2 / fan in); suits the ReLU family',
});

export const heNormal: InitializerKind<typeof schema> = {
  kind: 'heNormal',
  schema,
  fill: ({ count, fanIn, random }) => {
    const deviation = Math.sqrt(2 / fanIn);
    return Float32Array.from({ length: count }, () => random.normal() * deviation);
  },
};
