/** Flat features as an image, the inverse of flatten: channel (f ÷ (height·width)), then row by row. */
import { z } from 'zod';
import type { LayerKind } from '../kind.ts';
import { NEEDS_FLAT, oneInput, only } from './fields.ts';

const side = z.int().gte(1).lte(100_000);

const schema = z
  .strictObject({
    kind: z.literal('reshape'),
    ...oneInput,
    height: side.describe('Rows of the image'),
    width: side.describe('Columns of the image'),
    channels: side.default(1).describe('Height × width × channels has to be the number of features'),
  })
  .meta({ id: 'ReshapeLayer', description: 'Flat features as an image, channel by channel, row by row' });

export const reshape: LayerKind<typeof schema> = {
  kind: 'reshape',
  schema,
  takes: 'one',
  outputShape: (inputs, { height, width, channels }) => {
    const { features, image } = only(inputs);
    if (image !== null) return NEEDS_FLAT;
    const wanted = height * width * channels;
    if (wanted === features) return { features: channels, image: { height, width } };
    return { misfit: `makes images of ${height} × ${width} × ${channels} = ${wanted} features` };
  },
  parameterCount: () => 0,
  multiplications: () => 0,
  build: (graph, [x], { height, width }) => graph.unflatten(x, { height, width }),
  activation: () => null,
};
