/**
 * What a run will take, from the spec and the data's shape alone: plain f64 arithmetic, so that absurd sizes give
 * absurd numbers instead of an allocation. The plan's own figures are exact; these bound them from the same counts.
 */
import { input } from './expr.ts';
import { VIRTUAL_LANES } from './kernels.ts';
import { activations } from './kinds/activations/registry.ts';
import { categoricalPreprocessors } from './kinds/categorical-preprocessors/registry.ts';
import type { LayerShape } from './kinds/kind.ts';
import { layers } from './kinds/layers/registry.ts';
import { optimizers } from './kinds/optimizers/registry.ts';
import { layerShapesOf } from './layer-graph.ts';
import type { Resolved, ResolvedSpec, Task } from './resolve.ts';
import { reduces } from './search.ts';
import { epochsMost } from './spec.ts';

export interface Cost {
  readonly parameters: number;
  /** Of the matrix products, over all epochs. */
  readonly flops: number;
  readonly bytes: number;
  /** What a worker has to have for it: besides those bytes its checkpoints, its code and its thread. */
  readonly memoryBytes: number;
  /** Of the compiled steps, roughly: what compiling takes. */
  readonly kernels: number;
}

const FLOAT_BYTES = 4;
/** A multiplication and an addition. */
const FLOPS_PER_MULTIPLICATION = 2;
/** Value, pre-activation and gradient are kept per activation at most. */
const COPIES_PER_ACTIVATION = 3;
/** What a formula that sums along rows holds besides. */
const COPIES_OF_PARTS = 3;
/** The targets, the predictions, the scores per row, what they are computed from, and their gradients. */
const COPIES_OF_OUTPUT = 9;
/** A dense layer's: forward, and backward those of its input, weight and bias with their updates. */
const KERNELS_PER_LAYER = 5;
/** Sums and what is computed of them, per column and per row: of a normalisation, forward and backward. */
const COLUMN_VECTORS = 16;
const ROW_VECTORS = 8;
/** The prepared tables, and the executor's own. */
const COPIES_OF_DATA = 2;
/** Current and last finished epoch's state; gradient and best weights come on top. */
const COPIES_OF_STATE = 2;
/** Current and last finished epoch's state, and the best weights. One is stored while the driver holds a copy. */
const CHECKPOINTS = 2;
/** A compiled kernel, with what it was compiled from. */
const BYTES_PER_KERNEL = 192 * 1024;
/** A product packs a panel of one side, in each thread that shares it. */
const PACKING_THREADS = 16;
/** The thread with the engine in it, and the tables of its calls. */
const THREAD_BYTES = 40 * 1024 ** 2;

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
  const { batchSize } = spec.training;
  const { shapes, given } = layerShapesOf(spec.model.layers, features);
  let parameters = 0;
  let parametersPadded = 0;
  let multiplications = 0;
  let kernels = 0;
  // The data, and what scores and their gradient are computed from, come on top of what the layers put out.
  let perSample = padded(features) + COPIES_OF_OUTPUT * padded(task.outputs);
  let vectors = 0;
  let widest = padded(features);
  for (const [i, layer] of spec.model.layers.entries()) {
    const kind = layers.get(layer.kind);
    const inputs = given[i] ?? [];
    const shape = shapes[i] ?? { features: 1, image: null };
    const count = kind.parameterCount(inputs, layer);
    parameters += count;
    parametersPadded += (count * padded(shape.features)) / shape.features;
    multiplications += kind.multiplications(inputs, layer);
    kernels += KERNELS_PER_LAYER + (kind.kernels?.(inputs, layer) ?? 0);
    const copies = COPIES_PER_ACTIVATION + (sumsRows(kind.activation(layer)) ? COPIES_OF_PARTS : 0);
    perSample += copies * sizeInPanels(shape);
    for (const image of kind.workspace?.(inputs, layer) ?? []) perSample += sizeInPanels(image);
    widest = Math.max(widest, ...inputs.map(({ features: depth }) => padded(depth)), padded(shape.features));
    vectors += COLUMN_VECTORS * padded(shape.features) + ROW_VECTORS * padded(batchSize * positionsOf(shape));
  }
  const slots = optimizers.get(spec.optimizer.kind).slots(spec.optimizer).length;
  const floats =
    parametersPadded * (COPIES_OF_STATE * (1 + slots) + 2) +
    perSample * batchSize +
    vectors +
    rows * (features + task.outputs) * COPIES_OF_DATA;
  const bytes = floats * FLOAT_BYTES;
  const checkpoint = parametersPadded * (COPIES_OF_STATE * (1 + slots) + 1) * FLOAT_BYTES;
  const packing = widest * VIRTUAL_LANES * FLOAT_BYTES * PACKING_THREADS;
  return {
    parameters,
    flops: FLOPS_PER_MULTIPLICATION * multiplications * trainingRows * epochsMost(spec),
    bytes,
    memoryBytes: Math.ceil(
      bytes + CHECKPOINTS * checkpoint + packing + kernels * BYTES_PER_KERNEL + THREAD_BYTES,
    ),
    kernels,
  };
}

/** Such an activation, as softmax, is computed in several kernels with matrices between them. */
const sumsRows = (spec: { readonly kind: string } | null): boolean =>
  spec !== null && reduces(activations.get(spec.kind).formula(input('x'), spec));

const positionsOf = ({ image }: LayerShape): number => (image === null ? 1 : image.height * image.width);

const sizeInPanels = (shape: LayerShape): number => padded(shape.features) * positionsOf(shape);

/** Columns are stored in whole panels. */
const padded = (columns: number): number => Math.ceil(columns / VIRTUAL_LANES) * VIRTUAL_LANES;
