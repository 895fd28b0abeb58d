// The runs that are disturbed: small nets that read digits, long enough to be interrupted or over in a moment.

const shapes = {
  /** Some 100 ms an epoch on one core, and a checkpoint every half second, within an epoch or after it. */
  steady: { units: 1024, epochs: 40 },
  brief: { units: 32, epochs: 3 },
} as const;
export type Shape = keyof typeof shapes;
export const shapeNames = Object.keys(shapes) as readonly Shape[];

/** Each shape's undisturbed weights are known under these. */
export const seeds = [11, 12, 13, 14] as const;
export type Seed = (typeof seeds)[number];

export const epochsOf = (shape: Shape): number => shapes[shape].epochs;

export function specOf(shape: Shape, seed: number, dataset: string): object {
  const { units, epochs } = shapes[shape];
  return {
    name: `${shape}-${seed}`,
    seed,
    data: { dataset, target: 'digit', split: { kind: 'stratified', validation: 0.15, test: 0.15 } },
    model: {
      layers: [
        { kind: 'dense', units, activation: { kind: 'relu' } },
        { kind: 'dense', units: 10, activation: { kind: 'softmax' } },
      ],
    },
    loss: { kind: 'crossEntropy' },
    optimizer: { kind: 'adam', learningRate: 0.001 },
    training: { epochs, batchSize: 32, threads: 1, checkpoints: { everySeconds: 0.5 } },
    metrics: ['accuracy'],
  };
}
