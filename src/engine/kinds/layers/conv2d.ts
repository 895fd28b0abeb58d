/**
 * y = activation(x ⋆ W + b), the cross-correlation of PyTorch's Conv2d: W of shape [channels out, channels in, height,
 * width], b of shape [channels out]; output side ⌊(side + 2·padding − dilation·(kernel − 1) − 1)/stride⌋ + 1.
 */
import { z } from 'zod';
import type { WindowShape } from '../../windows.ts';
import { initializers } from '../initializers/registry.ts';
import type { LayerKind } from '../kind.ts';
import { activate, defaultWeights } from './activate.ts';
import { activation, gridOf, oneInput, only, paddings, sizes } from './fields.ts';
import { tapCount, windowedImage, windowedPositions, windowPhases, windowWorkspace } from './windowed.ts';

const CHANNELS_MAX = 2 ** 31 - 1;
/** Taps are rows of a table. */
const TAPS_PER_KERNEL = 16;

const schema = z
  .strictObject({
    kind: z.literal('conv2d'),
    ...oneInput,
    channels: z.int().gte(1).lte(CHANNELS_MAX).describe('Channels of the output'),
    kernel: sizes.describe('Of the windows that are multiplied by the weights'),
    stride: sizes.default(1).describe('From one window to the next'),
    padding: paddings.default(0).describe('Zeros around the image'),
    dilation: sizes.default(1).describe('Between neighbours of a window; 1 is side by side'),
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
  parameterCount: (inputs, spec) => spec.channels * (only(inputs).features * tapCount(windowsOf(spec)) + 1),
  multiplications: (inputs, spec) => {
    const windows = windowsOf(spec);
    const { forward, backward } = windowedPositions(only(inputs), windows, gridOf(spec.padding));
    return (2 * forward + backward) * spec.channels * only(inputs).features * tapCount(windows);
  },
  workspace: (inputs, spec) =>
    windowWorkspace(only(inputs), [spec.channels], windowsOf(spec), gridOf(spec.padding)),
  kernels: (inputs, spec) =>
    windowPhases(only(inputs), windowsOf(spec), gridOf(spec.padding)) +
    tapCount(windowsOf(spec)) / TAPS_PER_KERNEL,
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
