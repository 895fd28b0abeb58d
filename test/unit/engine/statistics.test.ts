/** Running statistics are state like weights: in checkpoints, in the best epoch's model, and in what it predicts. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { backends } from '../../../src/engine/codegen/backends.ts';
import type { CreateExecutor } from '../../../src/engine/kernels.ts';
import { createPredictor } from '../../../src/engine/predict.ts';
import type { EngineSpec, EngineSpecInput } from '../../../src/engine/spec.ts';
import { decodeSafetensors, floatsOf } from '../../../src/engine/state.ts';
import { createTraining, type Training } from '../../../src/engine/train.ts';
import { allBackends } from './codegen/candidates.ts';
import { exampleTable, specOf } from './example-table.ts';

type Layers = EngineSpecInput['model']['layers'];
type Backend = keyof typeof backends;

const iris = exampleTable('iris');
const go = { shouldStop: () => false, onSteps: () => {} };
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const start = (spec: EngineSpec, backend: Backend, checkpoint?: Uint8Array): Training =>
  createTraining({ spec, table: iris, backend: backends[backend], ...(checkpoint && { checkpoint }) });
function train(training: Training, epochs = Number.POSITIVE_INFINITY): Training {
  for (let n = 0; training.stopReason === null && n < epochs; n++) training.runEpoch(go);
  return training;
}
const tensorsOf = (file: Uint8Array): ReadonlyMap<string, Float32Array> =>
  new Map(decodeSafetensors(file).tensors.map((t) => [t.name, floatsOf(t)]));

const layers: Layers = [
  { kind: 'dense', units: 7 },
  { kind: 'batchNorm', momentum: 0.2 },
  { kind: 'activation', activation: { kind: 'tanh' } },
  { kind: 'dropout', probability: 0.2 },
  { kind: 'dense', units: 3 },
];
/** Stops early, some epochs after its best one. */
const spec = specOf(3, {
  data: { target: 'species' },
  model: { layers },
  optimizer: { kind: 'adamw', learningRate: 0.5 },
  schedule: { kind: 'exponential' },
  training: { epochs: 40, batchSize: 16, earlyStopping: { patience: 4 } },
});

describe('a net with batchNorm, dropout, adamw, a schedule and early stopping', () => {
  const whole = train(start(spec, 'wasm'));

  it('stops early, after its best epoch', () => {
    expect(whole.stopReason).toBe('earlyStopped');
    expect(whole.bestEpoch).toBeGreaterThan(1);
    expect(whole.epoch).toBe((whole.bestEpoch ?? 0) + 4);
  });

  it('keeps its statistics in the checkpoint, the best epoch’s too', () => {
    const tensors = tensorsOf(whole.checkpoint());
    const ofNorm = [...tensors.keys()].filter((name) => /layers\.1\.running/.test(name));
    expect(ofNorm).toEqual([
      'layers.1.runningMean',
      'best.layers.1.runningMean',
      'layers.1.runningVariance',
      'best.layers.1.runningVariance',
    ]);
    for (const what of ['runningMean', 'runningVariance']) {
      const last = tensors.get(`layers.1.${what}`);
      expect(last).toHaveLength(7);
      expect(last).not.toEqual(tensors.get(`best.layers.1.${what}`));
    }
  });

  it('restores the best epoch’s statistics with its weights', () => {
    const best = tensorsOf(train(start(spec, 'wasm'), whole.bestEpoch ?? 0).checkpoint());
    const model = tensorsOf(whole.model());
    expect([...model.keys()]).toEqual([
      ...['layers.0.weight', 'layers.0.bias'],
      ...['weight', 'bias', 'runningMean', 'runningVariance'].map((what) => `layers.1.${what}`),
      ...['layers.4.weight', 'layers.4.bias'],
    ]);
    for (const [name, values] of model) expect(values, name).toEqual(best.get(name));
  });

  it.each([0, 1, 3])('taken up after %i epochs ends with the same state, model and results', (epochs) => {
    for (const [first, second] of [
      ['interpreter', 'wasm'],
      ['wasm', 'interpreter'],
    ] as const) {
      const left = train(start(spec, first), epochs).checkpoint();
      const taken = train(start(spec, second, left));
      expect(sha256(taken.checkpoint())).toBe(sha256(whole.checkpoint()));
      expect(sha256(taken.model())).toBe(sha256(whole.model()));
      expect(taken.results()).toEqual(whole.results());
    }
  });

  it('predicts with the statistics: plain arithmetic on the file’s numbers agrees to 1e-6', () => {
    const model = tensorsOf(whole.model());
    const numbers = (name: string): number[] => [...(model.get(`layers.${name}`) ?? [])];
    const predictor = createPredictor(whole.model(), backends.wasm);
    const affine = (x: readonly number[], layer: number): number[] => {
      const weight = numbers(`${layer}.weight`);
      return numbers(`${layer}.bias`).map((bias, u) =>
        x.reduce((sum, v, i) => sum + v * (weight[u * x.length + i] ?? NaN), bias),
      );
    };
    for (const row of [0, 60, 149]) {
      const raw = rowsOf(row, row + 1);
      const x = predictor.preprocessing.features.map((feature) => {
        const { mean = 0, scale = 1 } = feature.type === 'numeric' ? feature.fitted : {};
        return (Number(raw[0]?.[feature.name]) - mean) / scale;
      });
      const [gamma, beta, mean, variance] = ['weight', 'bias', 'runningMean', 'runningVariance'].map((what) =>
        numbers(`1.${what}`),
      );
      const hidden = affine(x, 0).map((v, f) =>
        Math.tanh(
          ((v - (mean?.[f] ?? NaN)) / Math.sqrt((variance?.[f] ?? NaN) + 1e-5)) * (gamma?.[f] ?? NaN) +
            (beta?.[f] ?? NaN),
        ),
      );
      const powers = affine(hidden, 4).map(Math.exp);
      const total = powers.reduce((a, b) => a + b);
      const answer = predictor.predict(raw);
      if ('issues' in answer) throw new Error(JSON.stringify(answer.issues));
      for (const [i, share] of Object.values(answer.predictions[0]?.probabilities ?? {}).entries()) {
        expect(Math.abs(share - (powers[i] ?? NaN) / total)).toBeLessThan(1e-6);
      }
    }
  });
});

/** Rows as a client sends them, the target left out. */
const rowsOf = (from: number, to: number): Record<string, number>[] =>
  Array.from({ length: to - from }, (_, i) =>
    Object.fromEntries(
      iris.columns.flatMap((c) => (c.type === 'numeric' ? [[c.name, c.values[from + i] ?? NaN]] : [])),
    ),
  );

describe('a convolutional model', () => {
  const conv: Layers = [
    { kind: 'reshape', height: 2, width: 2 },
    { kind: 'conv2d', channels: 5, kernel: 2, padding: 1, activation: { kind: 'relu' } },
    { kind: 'batchNorm' },
    { kind: 'maxPool2d', kernel: 2, stride: 1 },
    { kind: 'dropout' },
    { kind: 'flatten' },
    { kind: 'layerNorm' },
    { kind: 'dense', units: 3 },
  ];
  const model = train(
    start(specOf(3, { data: { target: 'species' }, model: { layers: conv } }), 'wasm'),
  ).model();

  it.each(Object.entries(allBackends))(
    'gives a row the same bits alone and in any company on %s',
    (_, backend) => {
      const predict = (rows: readonly Record<string, number>[]) => {
        const answer = createPredictor(model, backend).predict(rows);
        if ('issues' in answer) throw new Error(JSON.stringify(answer.issues));
        return answer.predictions;
      };
      const together = predict(rowsOf(0, 150));
      expect(predict(rowsOf(0, 150).toReversed()).toReversed()).toEqual(together);
      for (const row of [0, 63, 64, 149]) expect(predict(rowsOf(row, row + 1))).toEqual([together[row]]);
      expect(createPredictor(model, backends.interpreter).predict(rowsOf(0, 150))).toEqual({
        predictions: together,
      });
    },
  );
});

it('predicts in smaller batches where whole ones would take too much memory', () => {
  const wide: Layers = [
    { kind: 'dense', units: 128 * 128 },
    { kind: 'reshape', height: 128, width: 128 },
    { kind: 'conv2d', channels: 16, kernel: 3, activation: { kind: 'relu' } },
    { kind: 'avgPool2d', kernel: 4 },
    { kind: 'flatten' },
    { kind: 'dense', units: 3 },
  ];
  const training = start(
    specOf(3, { data: { target: 'species' }, model: { layers: wide }, training: { batchSize: 1 } }),
    'wasm',
  );
  const model = training.model();
  training.dispose();
  const seen: { batchSize: number; arenaBytes: number }[] = [];
  const watched: CreateExecutor = (plan, ...rest) => {
    seen.push({ batchSize: plan.batchSize, arenaBytes: plan.arenaBytes });
    return backends.wasm(plan, ...rest);
  };
  const predictor = createPredictor(model, watched);
  const together = predictor.predict(rowsOf(0, 40));
  expect(seen).toEqual([{ batchSize: 16, arenaBytes: expect.any(Number) }]);
  expect(seen[0]?.arenaBytes).toBeLessThanOrEqual(256 * 1024 ** 2);
  const alone = predictor.predict(rowsOf(39, 40));
  if ('issues' in together || 'issues' in alone) throw new Error('the rows are right');
  expect(alone.predictions[0]).toEqual(together.predictions[39]);
});
