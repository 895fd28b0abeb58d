/**
 * What a run will take, from the spec and the data's shape alone: plain f64 arithmetic, so that absurd sizes give
 * absurd numbers instead of an allocation. The plan's own figures are exact; these bound them from the same counts.
 */
import { VIRTUAL_LANES } from './kernels.ts';
import { categoricalPreprocessors } from './kinds/categorical-preprocessors/registry.ts';
import type { LayerShape } from './kinds/kind.ts';
import { layers } from './kinds/layers/registry.ts';
import { optimizers } from './kinds/optimizers/registry.ts';
import { layerShapesOf } from './layer-graph.ts';
import type { Resolved, ResolvedSpec, Task } from './resolve.ts';

export interface Cost {
  readonly parameters: number;
  /** Of the matrix products, over all epochs. */
  readonly flops: number;
  readonly bytes: number;
}

const FLOAT_BYTES = 4;
/** Forward, gradient of the weights, gradient of the input: a multiplication and an addition each. */
const FLOPS_PER_MULTIPLICATION = 6;
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

/** `rows` is the dataset's, `trainingRows` how many of them are trained on. The layers fit each other. */
export function estimateCost({ spec, task }: Resolved, rows: number, trainingRows: number): Cost {
  const features = encodedWidth(task, spec);
  const { shapes, given } = layerShapesOf(spec.model.layers, features);
  let parameters = 0;
  let parametersPadded = 0;
  let multiplications = 0;
  // The targets, the predictions, and the scores per row come on top of what the layers put out.
  let perSample = padded(features) + 3 * padded(task.outputs);
  for (const [i, layer] of spec.model.layers.entries()) {
    const kind = layers.get(layer.kind);
    const inputs = given[i] ?? [];
    const shape = shapes[i] ?? { features: 1, image: null };
    const count = kind.parameterCount(inputs, layer);
    parameters += count;
    parametersPadded += (count * padded(shape.features)) / shape.features;
    multiplications += kind.multiplications(inputs, layer);
    perSample += padded(shape.features) * positionsOf(shape);
  }
  const { epochs, batchSize } = spec.training;
  const slots = optimizers.get(spec.optimizer.kind).slots(spec.optimizer).length;
  const floats =
    parametersPadded * (COPIES_OF_STATE * (1 + slots) + 2) +
    perSample * batchSize * COPIES_PER_ACTIVATION +
    rows * (features + task.outputs) * COPIES_OF_DATA;
  return {
    parameters,
    flops: FLOPS_PER_MULTIPLICATION * multiplications * trainingRows * epochs,
    bytes: floats * FLOAT_BYTES,
  };
}

const positionsOf = ({ image }: LayerShape): number => (image === null ? 1 : image.height * image.width);

/** Columns are stored in whole panels. */
const padded = (columns: number): number => Math.ceil(columns / VIRTUAL_LANES) * VIRTUAL_LANES;
