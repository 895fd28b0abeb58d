/** The tables of test/golden/make_layers.py: PyTorch's layers in double precision, on inputs that f32 holds exactly. */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { z } from 'zod';
import type { LayerShape } from '../../../../../src/engine/kinds/kind.ts';

const tensor = z.object({ shape: z.array(z.int()), values: z.array(z.number()) });
export type Tensor = z.output<typeof tensor>;
const pair = z.tuple([z.int(), z.int()]);
const named = z.object({ name: z.string() });
const differentiated = z.object({ input: tensor, output: tensor, gradient: tensor });
const ofInput = z.object({ gradients: z.object({ input: tensor }) });
const pool = z.object({
  ...named.shape,
  ...differentiated.shape,
  ...ofInput.shape,
  kernel: pair,
  stride: pair,
  padding: pair,
});
const normGradients = z.object({ input: tensor, gamma: tensor, beta: tensor });

export const golden = z
  .object({
    source: z.string(),
    tables: z.object({
      conv2d: z.array(
        z.object({
          ...named.shape,
          ...differentiated.shape,
          filters: z.int(),
          kernel: pair,
          stride: pair,
          padding: pair,
          dilation: pair,
          weight: tensor,
          bias: tensor,
          gradients: z.object({ input: tensor, weight: tensor, bias: tensor }),
        }),
      ),
      maxPool2d: z.array(pool),
      avgPool2d: z.array(pool),
      flatten: z.array(z.object({ input: tensor, output: tensor })),
      batchNorm: z.array(
        z.object({
          ...named.shape,
          momentum: z.number(),
          epsilon: z.number(),
          gamma: tensor,
          beta: tensor,
          steps: z.array(
            z.object({
              ...differentiated.shape,
              gradients: normGradients,
              runningMean: tensor,
              runningVariance: tensor,
            }),
          ),
          inference: z.object({ input: tensor, output: tensor }),
        }),
      ),
      layerNorm: z.array(
        z.object({
          ...named.shape,
          ...differentiated.shape,
          epsilon: z.number(),
          gamma: tensor,
          beta: tensor,
          gradients: normGradients,
        }),
      ),
      dropout: z.array(
        z.object({
          ...differentiated.shape,
          ...ofInput.shape,
          rate: z.number(),
          scaling: z.enum(['training', 'inference']),
          mask: tensor,
          inference: tensor,
        }),
      ),
    }),
  })
  .parse(JSON.parse(readFileSync(new URL('../../../../golden/layers.json', import.meta.url), 'utf8')));

/** Of one sample: [samples, features] or [samples, channels, height, width]. */
export function shapeOf({ shape }: Tensor): LayerShape {
  const [, features = 1, height, width] = shape;
  return { features, image: height === undefined || width === undefined ? null : { height, width } };
}

export const samplesOf = ({ shape }: Tensor): number => shape[0] ?? 0;

/** Half the distance between floats near 1: what one rounding does, relative to its result. */
export const ROUNDING = 2 ** -24;

/** Every value is within its own bound; which may be one for all. */
export function expectWithin(
  actual: ArrayLike<number>,
  wanted: readonly number[],
  bound: ArrayLike<number> | number,
  what: string,
): void {
  expect(actual.length, what).toBe(wanted.length);
  for (const [i, v] of wanted.entries()) {
    const limit = typeof bound === 'number' ? bound : (bound[i] ?? Number.NaN);
    const error = Math.abs((actual[i] ?? Number.NaN) - v);
    if (!(error <= limit)) expect.fail(`${what}[${i}]: ${actual[i]} is not within ${limit} of ${v}`);
  }
}
