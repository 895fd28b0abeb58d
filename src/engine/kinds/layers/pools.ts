/** What the two kinds of pools have in common. */
import { z } from 'zod';
import type { Grid } from '../../kernels.ts';
import type { WindowShape } from '../../windows.ts';
import type { LayerShape, Misfit } from '../kind.ts';
import { gridOf, oneInput, only, paddings, sizes } from './fields.ts';
import { tapCount, windowedImage, windowPhases, windowWorkspace } from './windowed.ts';

export const poolFields = {
  ...oneInput,
  kernel: sizes.describe('Of the windows'),
  stride: sizes
    .optional()
    .describe('From one window to the next; without it, the kernel: windows side by side'),
  padding: paddings.default(0).describe('Border around the image, at most half the kernel'),
};

/** Taps are parts of a formula. */
const TAPS_PER_KERNEL = 4;

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

/** `bordered`: how many matrices of the output's size the way back needs a border around. */
export function poolNeeds(bordered: number) {
  return {
    workspace: (inputs: readonly LayerShape[], spec: PoolSpec): LayerShape[] => {
      const input = only(inputs);
      const features = Array.from({ length: bordered }, () => input.features);
      return windowWorkspace(input, features, poolWindows(spec), gridOf(spec.padding));
    },
    kernels: (inputs: readonly LayerShape[], spec: PoolSpec): number =>
      windowPhases(only(inputs), poolWindows(spec), gridOf(spec.padding)) +
      tapCount(poolWindows(spec)) / TAPS_PER_KERNEL,
  };
}
