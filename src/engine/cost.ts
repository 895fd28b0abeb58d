/**
 * What a run will take, from the spec and the data's shape alone: plain f64 arithmetic, so that absurd sizes give
 * absurd numbers instead of an allocation. The plan's own figures are exact; these bound them from the same counts.
 */
import { VIRTUAL_LANES } from './kernels.ts';
import { categoricalPreprocessors } from './kinds/categorical-preprocessors/registry.ts';
import { layers } from './kinds/layers/registry.ts';
import { optimizers } from './kinds/optimizers/registry.ts';
import type { Resolved, ResolvedSpec, Task } from './resolve.ts';

export interface Cost {
  readonly parameters: number;
  /** Of the matrix products, over all epochs. */
  readonly flops: number;
  readonly bytes: number;
}

const FLOAT_BYTES = 4;
/** Forward, gradient of the weights, gradient of the input: a multiplication and an addition each. */
const FLOPS_PER_PARAMETER = 6;
/** Value, pre-activation and gradient are kept per activation at most. */
const COPIES_PER_ACTIVATION = 3;
/** The prepared tables, and the executor's own. */
const COPIES_OF_DATA = 2;
/** Current and last finished epoch's state; gradient and best weights come on top. */
const COPIES_OF_STATE = 2;

/** Columns of the encoded features. */
export function encodedWidth(task: Task, spec: ResolvedSpec): number {
  const encoder = categoricalPreprocessors.get(spec.data.preprocessing.categorical.kind);
  return task.features.reduce(
    (sum, column) => sum + (column.type === 'numeric' ? 1 : encoder.width(column.categories.length)),
    0,
  );
}

/** The features per row after each layer. */
export function layerWidths(spec: ResolvedSpec, features: number): number[] {
  let shape = { features };
  return spec.model.layers.map((layer) => {
    shape = layers.get(layer.kind).outputShape(shape, layer);
    return shape.features;
  });
}

/** `rows` is the dataset's, `trainingRows` how many of them are trained on. */
export function estimateCost({ spec, task }: Resolved, rows: number, trainingRows: number): Cost {
  const features = encodedWidth(task, spec);
  const widths = layerWidths(spec, features);
  let parameters = 0;
  let parametersPadded = 0;
  for (const [i, layer] of spec.model.layers.entries()) {
    const inputs = i === 0 ? features : (widths[i - 1] ?? 0);
    const count = layers.get(layer.kind).parameterCount({ features: inputs }, layer);
    const width = widths[i] ?? 1;
    parameters += count;
    parametersPadded += (count * padded(width)) / width;
  }
  const { epochs, batchSize } = spec.training;
  const slots = optimizers.get(spec.optimizer.kind).slots(spec.optimizer).length;
  // The targets, the predictions, and the scores per row come on top of what the layers put out.
  const beside = padded(features) + 3 * padded(task.outputs);
  const activations = widths.reduce((sum, width) => sum + padded(width), beside) * batchSize;
  const floats =
    parametersPadded * (COPIES_OF_STATE * (1 + slots) + 2) +
    activations * COPIES_PER_ACTIVATION +
    rows * (features + task.outputs) * COPIES_OF_DATA;
  return {
    parameters,
    flops: FLOPS_PER_PARAMETER * parameters * trainingRows * epochs,
    bytes: floats * FLOAT_BYTES,
  };
}

/** Columns are stored in whole panels. */
const padded = (columns: number): number => Math.ceil(columns / VIRTUAL_LANES) * VIRTUAL_LANES;
