/** Networks at random, each a pure function of its number: layers, sizes, joins, losses, optimisers, odd batches. */
import type { Grid } from '../../../src/engine/kernels.ts';
import { activations } from '../../../src/engine/kinds/activations/registry.ts';
import type { LayerShape } from '../../../src/engine/kinds/kind.ts';
import { layers } from '../../../src/engine/kinds/layers/registry.ts';
import { losses } from '../../../src/engine/kinds/losses/registry.ts';
import { optimizers } from '../../../src/engine/kinds/optimizers/registry.ts';
import type { PlanShape, PlanSpec } from '../../../src/engine/plan.ts';
import { below, stream } from '../../../src/engine/random.ts';
import { engineSpec } from '../../../src/engine/spec.ts';

export interface RandomNetwork {
  readonly spec: PlanSpec;
  readonly shape: PlanShape;
  readonly panel: number;
  /** Rows of each step, at most the batch size; rows of the resident tables. */
  readonly steps: readonly number[];
  readonly rows: number;
  readonly learningRate: number;
}

const FLOATS_MAX = 6000;
const sizeOf = ({ features, image }: LayerShape): number =>
  features * (image === null ? 1 : image.height * image.width);

export function randomNetwork(number: number): RandomNetwork {
  const random = stream(number, 'network');
  const pick = (bound: number): number => below(random, bound);
  const between = (least: number, most: number): number => least + pick(most - least + 1);
  const oneOf = <T>(list: readonly T[]): T => list[pick(list.length)] as T;
  const chance = (share: number): boolean => random.uniform() < share;
  const sometimes = <T>(share: number, value: () => T): T | undefined =>
    chance(share) ? value() : undefined;

  const image: Grid | null = chance(0.5) ? { height: between(1, 9), width: between(1, 9) } : null;
  const channels = oneOf([1, 1, 2, 3, 5, 16, 17]);
  const features =
    image === null ? oneOf([1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 40]) : image.height * image.width * channels;
  const written: Record<string, unknown>[] = [];
  const shapes: LayerShape[] = [{ features, image: null }];
  const names = ['data'];

  /** Adds the layer if it fits and stays small. */
  const add = (layer: Record<string, unknown>, inputs: readonly number[]): boolean => {
    const kind = layers.get(String(layer.kind));
    const spec = kind.schema.safeParse(layer);
    if (!spec.success) return false;
    const given = inputs.map((i) => shapes[i]).filter((s) => s !== undefined);
    const shape = kind.outputShape(given, spec.data);
    if ('misfit' in shape || sizeOf(shape) > FLOATS_MAX) return false;
    const name = `n${written.length}`;
    const named = kind.takes === 'one' ? {} : { inputs: inputs.map((i) => names[i]) };
    written.push({ ...layer, name, ...named });
    shapes.push(shape);
    names.push(name);
    return true;
  };
  const last = (): number => shapes.length - 1;
  const activation = () => ({ kind: oneOf(activations.names) });
  const side = (most: number): number | [number, number] =>
    chance(0.5) ? between(1, most) : [between(1, most), between(1, most)];
  const padding = () => sometimes(0.5, () => (chance(0.5) ? pick(3) : [pick(3), pick(3)]));
  const units = () => oneOf([1, 2, 3, 5, 8, 15, 16, 17, 24, 33, 48]);
  const makers: (() => Record<string, unknown>)[] = [
    () => ({ kind: 'dense', units: units(), activation: activation() }),
    () => ({
      kind: 'conv2d',
      channels: oneOf([1, 2, 3, 8, 16, 17, 20]),
      kernel: side(4),
      stride: sometimes(0.5, () => side(3)),
      padding: padding(),
      dilation: sometimes(0.3, () => side(2)),
      activation: activation(),
    }),
    () => ({ kind: 'maxPool2d', kernel: side(3), stride: sometimes(0.5, () => side(3)), padding: padding() }),
    () => ({ kind: 'avgPool2d', kernel: side(3), stride: sometimes(0.5, () => side(3)), padding: padding() }),
    () => ({ kind: 'batchNorm', momentum: oneOf([0.1, 0.5, 1]) }),
    () => ({ kind: 'layerNorm' }),
    () => ({
      kind: 'dropout',
      probability: oneOf([0, 0.2, 0.5, 0.9]),
      scaling: oneOf(['training', 'inference']),
    }),
    () => ({ kind: 'activation', activation: activation() }),
    () => ({ kind: 'flatten' }),
  ];
  if (image !== null) add({ kind: 'reshape', ...image, channels }, [0]);
  for (let left = between(0, 6); left > 0; left--) {
    const joined = sometimes(0.25, () => between(0, last()));
    if (joined !== undefined && add({ kind: oneOf(['add', 'concat']) }, [last(), joined])) continue;
    add(oneOf(makers)(), [last()]);
  }
  if (shapes[last()]?.image !== null) add({ kind: 'flatten' }, [last()]);
  const loss = oneOf(losses.names);
  const outputs = loss === 'binaryCrossEntropy' ? 1 : between(2, 18);
  add({ kind: 'dense', units: outputs }, [last()]);

  const batchSize = oneOf([1, 2, 3, 5, 8, 9, 16, 17]);
  const optimizer = oneOf(optimizers.names);
  const parsed = engineSpec.parse({
    data: { dataset: 'none', target: 'none' },
    model: { layers: written },
    optimizer: { kind: optimizer },
    regularization: sometimes(0.3, () => ({
      weights: { kind: 'l2', lambda: 0.01 },
      biases: sometimes(0.5, () => ({ kind: 'l2', lambda: 0.02 })),
    })),
    training: {
      epochs: 1,
      batchSize,
      gradientClipping: sometimes(0.3, () => ({ kind: 'norm', max: oneOf([0.01, 1, 100]) })),
    },
  });
  return {
    spec: { ...parsed, loss: losses.schema.parse({ kind: loss }), metrics: [] },
    shape: { features, targets: outputs, coded: stream(number, 'coded').uniform() < 0.4 },
    panel: oneOf([16, 16, 16, 32]),
    steps: [batchSize, between(1, batchSize), 1, batchSize],
    rows: batchSize + 3,
    learningRate: oneOf([0.001, 0.05]),
  };
}
