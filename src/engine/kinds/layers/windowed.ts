/** What layers over windows of images have in common: the image they make, and what they take besides it. */
import type { Grid } from '../../kernels.ts';
import { largestBorder, phaseCount, type WindowShape, windowPositions } from '../../windows.ts';
import type { LayerShape, Misfit } from '../kind.ts';
import { NEEDS_IMAGE } from './fields.ts';

const padded = ({ height, width }: Grid, padding: Grid): Grid => ({
  height: height + 2 * padding.height,
  width: width + 2 * padding.width,
});

/** The image of window positions, or why there is none. */
export function windowedImage({ image }: LayerShape, windows: WindowShape, padding: Grid): Grid | Misfit {
  if (image === null) return NEEDS_IMAGE;
  const whole = padded(image, padding);
  const positions = windowPositions(whole, windows);
  if (positions.height >= 1 && positions.width >= 1) return positions;
  const reach = (side: keyof Grid): number => windows.dilation[side] * (windows.kernel[side] - 1) + 1;
  return {
    misfit:
      `has windows of ${reach('height')} × ${reach('width')}, larger than the padded image of ` +
      `${whole.height} × ${whole.width}; use a smaller kernel or more padding`,
  };
}

/**
 * Positions at which a window's taps are multiplied: forward the output's; backward one per stride of the whole input,
 * whose windows partly lie in the border.
 */
export function windowedPositions({ image }: LayerShape, windows: WindowShape, padding: Grid) {
  if (image === null) return { forward: 0, backward: 0 };
  const whole = padded(image, padding);
  const { height, width } = windowPositions(whole, windows);
  const { stride } = windows;
  const backward = Math.ceil(whole.height / stride.height) * Math.ceil(whole.width / stride.width);
  return { forward: height * width, backward };
}

/** The padded input and its gradient; and what the output's gradient, of `features`, needs a border for. */
export function windowWorkspace(
  { features: channels, image }: LayerShape,
  features: readonly number[],
  windows: WindowShape,
  padding: Grid,
): LayerShape[] {
  if (image === null) return [];
  const whole = padded(image, padding);
  const input: LayerShape = { features: channels, image: whole };
  const border = largestBorder(whole, windows);
  return [
    ...(padding.height + padding.width > 0 ? [input, input] : []),
    ...features.map((f) => ({ features: f, image: border })),
  ];
}

/** The way back has a kernel for each phase of the strides. */
export const windowPhases = ({ image }: LayerShape, windows: WindowShape, padding: Grid): number =>
  image === null ? 0 : phaseCount(padded(image, padding), windows);

export const tapCount = ({ kernel }: WindowShape): number => kernel.height * kernel.width;
