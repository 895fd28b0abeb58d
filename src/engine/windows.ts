/**
 * The geometry of windows over images: which rows of a matrix a convolution or a pool reads, and, on the way back, which
 * windows an element lies in. With a stride s the elements fall into s × s classes (phases); those of one phase lie in
 * the same windows, counted from their own place, so that each phase is one kernel without a condition in it.
 */
import type { Grid, View } from './kernels.ts';

/** Windows over an image: where each begins, and its taps. */
export interface WindowShape {
  readonly kernel: Grid;
  readonly stride: Grid;
  readonly dilation: Grid;
}

type Side = keyof Grid;

/** Positions of windows along each side: ⌊(size − dilation·(kernel − 1) − 1) / stride⌋ + 1, below 1 if none fits. */
export function windowPositions(image: Grid, { kernel, stride, dilation }: WindowShape): Grid {
  const along = (side: keyof Grid): number =>
    Math.floor((image[side] - dilation[side] * (kernel[side] - 1) - 1) / stride[side]) + 1;
  return { height: along('height'), width: along('width') };
}

/** Where a window of the output at (y, x) begins in an image of the given width. */
export const windowView = (width: number, { stride }: WindowShape): View => ({
  offset: 0,
  yStride: stride.height * width,
  xStride: stride.width,
});

/** Rows from a window's first element to each of its taps, in order. */
export function tapSteps(width: number, { kernel, dilation }: WindowShape): number[] {
  const steps: number[] = [];
  for (let y = 0; y < kernel.height; y++) {
    for (let x = 0; x < kernel.width; x++) steps.push(y * dilation.height * width + x * dilation.width);
  }
  return steps;
}

/** A matrix of windows with a border of nothing around it, so that every phase finds its windows inside. */
export interface Bordered {
  readonly before: Grid;
  readonly size: Grid;
}

export interface Phase {
  /** How many elements of the image are of this phase, and where they are. */
  readonly grid: Grid;
  readonly view: View;
  /** Where a row of this phase starts to look in the bordered matrix. */
  readonly windows: View;
  /** The windows it lies in: rows further in the bordered matrix, and as which tap. */
  readonly taps: readonly { readonly rowStep: number; readonly tap: number }[];
}

/** Along one side: the phase's taps k as (k, distance to the window), distance in windows from the element's own. */
function tapsOfPhase(phase: number, kernel: number, stride: number, dilation: number) {
  const taps: { k: number; distance: number }[] = [];
  for (let k = 0; k < kernel; k++) {
    const distance = (phase - k * dilation) / stride;
    if (Number.isInteger(distance)) taps.push({ k, distance });
  }
  return taps;
}

const countOfPhase = (size: number, phase: number, stride: number): number =>
  Math.max(0, Math.ceil((size - phase) / stride));

/** The phases of an image under windows, and the border that the windows' matrix needs for them. */
export function backwardPhases(
  image: Grid,
  positions: Grid,
  windows: WindowShape,
): { readonly bordered: Bordered; readonly phases: readonly Phase[] } {
  const along = (side: Side) =>
    Array.from({ length: Math.min(windows.stride[side], image[side]) }, (_, phase) => ({
      phase,
      count: countOfPhase(image[side], phase, windows.stride[side]),
      taps: tapsOfPhase(phase, windows.kernel[side], windows.stride[side], windows.dilation[side]),
    }));
  const sides = { height: along('height'), width: along('width') };
  const border = (side: Side): { before: number; size: number } => {
    const reach = sides[side].flatMap(({ count, taps }) =>
      taps.flatMap(({ distance }) => [distance, distance + count - 1]),
    );
    const first = Math.min(0, ...reach);
    const last = Math.max(positions[side] - 1, ...reach);
    return { before: -first, size: last - first + 1 };
  };
  const height = border('height');
  const width = border('width');
  const phases = sides.height.flatMap((y) =>
    sides.width.map((x): Phase => {
      const { stride } = windows;
      return {
        grid: { height: y.count, width: x.count },
        view: {
          offset: y.phase * image.width + x.phase,
          yStride: stride.height * image.width,
          xStride: stride.width,
        },
        windows: { offset: 0, yStride: width.size, xStride: 1 },
        taps: y.taps.flatMap((ty) =>
          x.taps.map((tx) => ({
            rowStep: (ty.distance + height.before) * width.size + tx.distance + width.before,
            tap: ty.k * windows.kernel.width + tx.k,
          })),
        ),
      };
    }),
  );
  return {
    bordered: {
      before: { height: height.before, width: width.before },
      size: { height: height.size, width: width.size },
    },
    phases,
  };
}

/** No smaller than the border that the windows' matrix needs, without counting through the windows. */
export function largestBorder(image: Grid, windows: WindowShape): Grid {
  const positions = windowPositions(image, windows);
  const along = (side: Side): number => {
    const { kernel, stride, dilation } = windows;
    const reach = Math.floor((dilation[side] * (kernel[side] - 1)) / stride[side]);
    return reach + Math.max(positions[side], Math.ceil(image[side] / stride[side]));
  };
  return { height: along('height'), width: along('width') };
}

/** How many phases there are; see backwardPhases. */
export const phaseCount = (image: Grid, { stride }: WindowShape): number =>
  Math.min(stride.height, image.height) * Math.min(stride.width, image.width);

/** The positions themselves, seen inside the bordered matrix. */
export const insideView = ({ before, size }: Bordered): View => ({
  offset: before.height * size.width + before.width,
  yStride: size.width,
  xStride: 1,
});

export const isBordered = ({ size }: Bordered, positions: Grid): boolean =>
  size.height !== positions.height || size.width !== positions.width;
