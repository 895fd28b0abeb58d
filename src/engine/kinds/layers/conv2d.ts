/**
 * y = activation(x ⋆ W + b), the cross-correlation of PyTorch's Conv2d: W of shape [channels out, channels in, height,
 * width], b of shape [channels out]; output side ⌊(side + 2·padding − dilation·(kernel − 1) − 1)/stride⌋ + 1.
 */
import { z } from 'zod';
import type { Grid } from '../../kernels.ts';
import type { WindowShape } from '../../windows.ts';
import { windowPositions } from '../../windows.ts';
import { initializers } from '../initializers/registry.ts';
import type { LayerKind, LayerShape, Misfit } from '../kind.ts';
import { activate, defaultWeights } from './activate.ts';
import { activation, gridOf, NEEDS_IMAGE, oneInput, only, paddings, sizes } from './fields.ts';

const CHANNELS_MAX = 2 ** 31 - 1;

const schema = z
  .strictObject({
    kind: z.literal('conv2d'),
    ...oneInput,
    channels: z.int().gte(1).lte(CHANNELS_MAX).describe('Channels of the output'),
    kernel: sizes.describe('Height and width of the windows, or one number for both'),
    stride: sizes.default(1),
    padding: paddings.default(0).describe('Zeros on each side of the image'),
    dilation: sizes.default(1).describe('Distance between neighbours of a window'),
    activation,
    weights: initializers.schema
      .optional()
      .describe('By default xavierUniform for symmetric activations, heNormal for the ReLU family'),
    bias: initializers.schema.default({ kind: 'zeros' }),
  })
  .meta({ id: 'Conv2dLayer', description: 'Two-dimensional convolution: activation(x ⋆ W + b)' });

export const conv2d: LayerKind<typeof schema> = {
  kind: 'conv2d',
  schema,
  takes: 'one',
  outputShape: (inputs, spec) => {
    const image = windowedImage(only(inputs), windowsOf(spec), gridOf(spec.padding));
    return 'misfit' in image ? image : { features: spec.channels, image };
  },
  parameterCount: (inputs, spec) => spec.channels * (only(inputs).features * taps(spec) + 1),
  multiplications: (inputs, spec) => {
    const image = windowedImage(only(inputs), windowsOf(spec), gridOf(spec.padding));
    const positions = 'misfit' in image ? 0 : image.height * image.width;
    return positions * spec.channels * only(inputs).features * taps(spec);
  },
  build: (graph, [x], spec, name) => {
    const windows = windowsOf(spec);
    const { height, width } = windows.kernel;
    const fans = { fanIn: x.features * height * width, fanOut: spec.channels * height * width };
    const weight = graph.parameter(`${name}.weight`, {
      ...fans,
      shape: [spec.channels, x.features, height, width],
      initializer: spec.weights ?? defaultWeights(spec.activation),
      role: 'weight',
    });
    const bias = graph.parameter(`${name}.bias`, {
      ...fans,
      shape: [spec.channels],
      initializer: spec.bias,
      role: 'bias',
    });
    const padded = graph.pad(x, gridOf(spec.padding), 0);
    return activate(graph, graph.convolve(padded, weight, bias, windows), spec.activation);
  },
  activation: (spec) => spec.activation,
};

const windowsOf = ({ kernel, stride, dilation }: z.output<typeof schema>): WindowShape => ({
  kernel: gridOf(kernel),
  stride: gridOf(stride),
  dilation: gridOf(dilation),
});

const taps = (spec: z.output<typeof schema>): number => {
  const { height, width } = gridOf(spec.kernel);
  return height * width;
};

/** The image of window positions, or why there is none. */
export function windowedImage({ image }: LayerShape, windows: WindowShape, padding: Grid): Grid | Misfit {
  if (image === null) return NEEDS_IMAGE;
  const padded = { height: image.height + 2 * padding.height, width: image.width + 2 * padding.width };
  const positions = windowPositions(padded, windows);
  if (positions.height >= 1 && positions.width >= 1) return positions;
  const reach = (side: keyof Grid): number => windows.dilation[side] * (windows.kernel[side] - 1) + 1;
  return {
    misfit:
      `has windows of ${reach('height')} × ${reach('width')}, larger than the padded image of ` +
      `${padded.height} × ${padded.width}; use a smaller kernel or more padding`,
  };
}
