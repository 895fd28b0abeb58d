/** What the two kinds of pools have in common. */
import { z } from 'zod';
import type { Grid } from '../../kernels.ts';
import type { WindowShape } from '../../windows.ts';
import type { LayerShape, Misfit } from '../kind.ts';
import { windowedImage } from './conv2d.ts';
import { gridOf, oneInput, only, paddings, sizes } from './fields.ts';

export const poolFields = {
  ...oneInput,
  kernel: sizes.describe('Height and width of the windows, or one number for both'),
  stride: sizes.optional().describe('Without it, the kernel’s size: windows side by side'),
  padding: paddings.default(0).describe('Border on each side; at most half the kernel'),
};

const fields = z.strictObject(poolFields);
type PoolSpec = z.output<typeof fields>;

export const poolWindows = ({ kernel, stride = kernel }: PoolSpec): WindowShape => ({
  kernel: gridOf(kernel),
  stride: gridOf(stride),
  dilation: { height: 1, width: 1 },
});

export function poolShape(inputs: readonly LayerShape[], spec: PoolSpec): LayerShape | Misfit {
  const windows = poolWindows(spec);
  const padding = gridOf(spec.padding);
  const tooWide = (side: keyof Grid): boolean => 2 * padding[side] > windows.kernel[side];
  if (tooWide('height') || tooWide('width')) {
    return { misfit: 'has a padding of more than half its kernel; use less' };
  }
  const input = only(inputs);
  const image = windowedImage(input, windows, padding);
  return 'misfit' in image ? image : { features: input.features, image };
}
