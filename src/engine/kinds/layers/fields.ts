/** Fields that layers have in common, and how their sizes are read. */
import { z } from 'zod';
import type { Grid } from '../../kernels.ts';
import { activations } from '../activations/registry.ts';
import type { LayerShape, Misfit } from '../kind.ts';

const SIZE_MAX = 10_000;

const layerName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_-]{0,99}$/, 'a letter, then letters, digits, "_" or "-", at most 100 in all')
  .meta({ id: 'LayerName', description: 'A letter, then letters, digits, "_" or "-", at most 100 in all' });

const ownName = layerName.optional().describe('By which other layers can take it');

/** Of a layer with one input. */
export const oneInput = {
  name: ownName,
  input: layerName
    .optional()
    .describe('The layer it takes, "data" for the network’s input; without it, the layer before'),
};

/** Of a layer that joins several. */
export const severalInputs = {
  name: ownName,
  inputs: z.array(layerName).min(2).max(100).describe('The layers it joins; "data" is the network’s input'),
};

export const activation = activations.schema.default({ kind: 'linear' });

const pair = (least: number) => {
  const size = z.int().gte(least).lte(SIZE_MAX);
  return z.union([size, z.tuple([size, size])]);
};
export const sizes = pair(1).meta({
  id: 'WindowSize',
  description: 'Height and width, or one number for both',
});
export const paddings = pair(0).meta({
  id: 'WindowPadding',
  description: 'Rows above and below, and columns on the left and right, or one number for both',
});

/** One number for both sides, or height and width. */
export function gridOf(value: number | readonly [number, number]): Grid {
  const [height, width] = typeof value === 'number' ? [value, value] : value;
  return { height, width };
}

export const describeShape = ({ features, image }: LayerShape): string =>
  image === null
    ? `${features} features`
    : `an image of ${image.height} × ${image.width} × ${features} (height × width × channels)`;

export const sizeOf = ({ features, image }: LayerShape): number =>
  features * (image === null ? 1 : image.height * image.width);

/** The only input of a layer that takes one. */
export function only<T>(inputs: readonly T[]): T {
  const [first] = inputs;
  if (first === undefined) throw new Error('a layer has an input');
  return first;
}

export const NEEDS_IMAGE: Misfit = {
  misfit: 'takes an image; put a reshape layer before it that gives the features a height and a width',
};
export const NEEDS_FLAT: Misfit = { misfit: 'takes flat features; put a flatten layer before it' };

/** Of a normalisation. */
export const normFields = {
  ...oneInput,
  epsilon: z.number().gt(0).lte(1).default(1e-5).describe('Added to the variance'),
};
