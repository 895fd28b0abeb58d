import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { engineSpec } from '../../../src/engine/spec.ts';

const minimal = {
  data: { dataset: 'd', target: 'y' },
  model: { layers: [{ kind: 'dense', units: 3 }] },
  training: { epochs: 5 },
};

/** A copy of the minimal spec with one place set. */
function withValue(path: readonly (string | number)[], value: unknown): unknown {
  const spec: unknown = structuredClone(minimal);
  let at = spec as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) {
    at[key] ??= {};
    at = at[key] as Record<string | number, unknown>;
  }
  at[path.at(-1) ?? ''] = value;
  return spec;
}

describe('engineSpec', () => {
  it('fills in every default that does not depend on the dataset', () => {
    const spec = engineSpec.parse(minimal);
    expect(spec).toMatchObject({
      seed: 0,
      data: {
        preprocessing: { numeric: { kind: 'standardize' }, categorical: { kind: 'oneHot' } },
        split: { kind: 'random', validation: 0.15, test: 0.15 },
      },
      model: {
        layers: [{ kind: 'dense', units: 3, activation: { kind: 'linear' }, bias: { kind: 'zeros' } }],
      },
      optimizer: { kind: 'adam', learningRate: 0.001 },
      schedule: { kind: 'constant' },
      training: { epochs: 5, batchSize: 32, shuffle: true, lastBatch: 'keep' },
    });
    expect(spec.loss).toBeUndefined();
    expect(spec.training.earlyStopping).toBeUndefined();
  });

  it('completes early stopping from nothing', () => {
    const spec = engineSpec.parse(withValue(['training', 'earlyStopping'], {}));
    expect(spec.training.earlyStopping).toEqual({
      monitor: 'validationLoss',
      patience: 10,
      minDelta: 0,
      restoreBest: true,
    });
  });

  it('is unchanged by parsing again', () => {
    const once = engineSpec.parse(minimal);
    expect(engineSpec.parse(once)).toEqual(once);
  });

  it.each([
    [['seed'], 0],
    [['seed'], Number.MAX_SAFE_INTEGER],
    [['training', 'epochs'], 1_000_000],
    [['training', 'batchSize'], 1],
    [['optimizer'], { kind: 'sgd', learningRate: 1e308 }],
    [['data', 'features'], ['a']],
  ])('accepts %j = %j', (path, value) => {
    expect(engineSpec.safeParse(withValue(path, value)).success).toBe(true);
  });

  it.each([
    [['seed'], 2 ** 53],
    [['seed'], -1],
    [['seed'], 1.5],
    [['seed'], '7'],
    [['training', 'epochs'], 0],
    [['training', 'epochs'], 1e9],
    [['training', 'epochs'], 'NaN'],
    [['training', 'batchSize'], 0],
    [['training', 'batchSize'], 1.5],
    [['training', 'lastBatch'], 'some'],
    [['training', 'earlyStopping', 'patience'], 0],
    [['training', 'earlyStopping', 'minDelta'], -1],
    [['model', 'layers'], []],
    [['model', 'layers', 0, 'units'], 0],
    [['model', 'layers', 0, 'units'], -1],
    [['model', 'layers', 0, 'units'], 1.5],
    [['model', 'layers', 0, 'units'], 2 ** 31],
    [['optimizer', 'learningRate'], Number.POSITIVE_INFINITY],
    [['metrics'], ['precise']],
    [['data', 'features'], []],
    [['data', 'target'], ''],
    [['data', 'split'], { kind: 'random', validation: 1 }],
    [['typo'], 1],
  ])('refuses %j = %j', (path, value) => {
    const spec = withValue(path, value);
    if (path[0] === 'optimizer') Object.assign((spec as { optimizer: object }).optimizer, { kind: 'adam' });
    expect(engineSpec.safeParse(spec).success).toBe(false);
  });

  it('points at the place', () => {
    const { error } = engineSpec.safeParse(withValue(['model', 'layers', 0, 'units'], 0));
    expect(error?.issues.map(({ path }) => path)).toEqual([['model', 'layers', 0, 'units']]);
  });

  it('refuses ten thousand layers at once', () => {
    const layers = Array.from({ length: 10_000 }, () => ({ kind: 'dense', units: 1 }));
    expect(engineSpec.safeParse({ ...minimal, model: { layers } }).error?.issues).toMatchObject([
      { code: 'too_big', maximum: 1000, path: ['model', 'layers'] },
    ]);
  });

  it('names every object of its JSON schema', () => {
    const schema = z.toJSONSchema(engineSpec, { io: 'input' });
    const anonymous: string[] = [];
    const visit = (node: unknown, path: string, named: boolean): void => {
      if (typeof node !== 'object' || node === null) return;
      if ('type' in node && node.type === 'object' && !named) anonymous.push(path);
      for (const [key, value] of Object.entries(node)) {
        const definitions = path === '#/$defs';
        visit(value, `${path}/${key}`, definitions);
      }
    };
    visit(schema, '#', true);
    expect(anonymous).toEqual([]);
    expect(Object.keys(schema.$defs ?? {})).toEqual(
      expect.arrayContaining(['DataSpec', 'ModelSpec', 'Layer', 'DenseLayer', 'Activation', 'AdamOptimizer']),
    );
  });
});
