import { describe, expect, it } from 'vitest';
import { checkSpec, defaultLimits } from '../../../src/engine/check.ts';
import type { EngineSpecInput } from '../../../src/engine/spec.ts';
import { type ColumnSummary, summarize } from '../../../src/engine/table.ts';
import { exampleTable, specOf } from './example-table.ts';

const numeric = (name: string, classes: string[] | null, integer = classes !== null): ColumnSummary => ({
  name,
  type: 'numeric',
  integer,
  min: 0,
  max: 9,
  mean: 4,
  classes,
});
const categorical = (name: string, values: string[]): ColumnSummary => ({
  name,
  type: 'categorical',
  categories: values.map((value) => ({ value, count: 50 })),
});

const dataset = {
  rowCount: 100,
  columns: [
    numeric('length', null),
    numeric('digit', ['0', '1', '2']),
    numeric('identity', null, true),
    categorical('species', ['cat', 'dog']),
    categorical('constant', ['only']),
  ],
};

type Parts = Parameters<typeof specOf>[1];
const issues = (units: number, parts: Parts, limits = defaultLimits) =>
  checkSpec(specOf(units, parts), dataset, limits);
const species = { target: 'species' };
const layers = (...units: number[]): EngineSpecInput['model'] => ({
  layers: units.map((n) => ({ kind: 'dense', units: n })),
});

describe('checkSpec', () => {
  it.each([
    ['classes from words', 2, { data: species }],
    ['two classes on one output', 1, { data: species, loss: { kind: 'binaryCrossEntropy' as const } }],
    ['classes from whole numbers', 3, { data: { target: 'digit' }, loss: { kind: 'crossEntropy' as const } }],
    ['whole numbers as a quantity', 1, { data: { target: 'digit', split: { kind: 'random' as const } } }],
    [
      'a regression',
      1,
      { data: { target: 'length', split: { kind: 'random' as const } }, metrics: ['meanAbsoluteError'] },
    ],
    [
      'early stopping on accuracy',
      2,
      { data: species, training: { earlyStopping: { monitor: 'validationAccuracy' } } },
    ],
  ])('finds nothing wrong with %s', (_, units, parts) => {
    expect(issues(units, parts)).toEqual([]);
  });

  it('finds nothing wrong with the examples’ data', () => {
    const table = exampleTable('iris');
    const spec = specOf(3, { data: species });
    expect(checkSpec(spec, { rowCount: table.rowCount, columns: summarize(table) })).toEqual([]);
  });

  it.each<[string, number, Parts, string, string[]]>([
    [
      'a mistyped target',
      2,
      { data: { target: 'specis' } },
      '#/data/target',
      ['"specis"', 'did you mean "species"'],
    ],
    [
      'a mistyped feature',
      2,
      { data: { ...species, features: ['length', 'lenght'] } },
      '#/data/features/1',
      ['"lenght"', 'did you mean "length"'],
    ],
    [
      'the target among the features',
      2,
      { data: { ...species, features: ['species'] } },
      '#/data/features/0',
      ['is the target'],
    ],
    [
      'a feature listed twice',
      2,
      { data: { ...species, features: ['length', 'length'] } },
      '#/data/features/1',
      ['listed twice'],
    ],
    [
      'a single class',
      2,
      { data: { target: 'constant' } },
      '#/data/target',
      ['"only"', 'at least two classes'],
    ],
    [
      'a loss for numbers on words',
      1,
      { data: species, loss: { kind: 'meanSquaredError' } },
      '#/loss/kind',
      ['categorical', 'crossEntropy'],
    ],
    [
      'a loss for classes on fractions',
      2,
      { data: { target: 'length' }, loss: { kind: 'crossEntropy' } },
      '#/loss/kind',
      ['fractions', 'meanSquaredError'],
    ],
    [
      'a loss for classes on too many whole numbers',
      2,
      { data: { target: 'identity' }, loss: { kind: 'crossEntropy' } },
      '#/loss/kind',
      ['too many'],
    ],
    [
      'the wrong number of outputs',
      5,
      { data: species },
      '#/model/layers/1/units',
      ['5 outputs', '"cat", "dog"', 'use 2'],
    ],
    [
      'a last activation that is not the link',
      2,
      { data: species, model: { layers: [{ kind: 'dense', units: 2, activation: { kind: 'relu' } }] } },
      '#/model/layers/0/activation/kind',
      ['softmax', '"relu"'],
    ],
    [
      'a metric of another target type',
      2,
      { data: species, metrics: ['accuracy', 'meanAbsoluteError'] },
      '#/metrics/1',
      ['categorical', '"accuracy"'],
    ],
    [
      'a metric listed twice',
      2,
      { data: species, metrics: ['accuracy', 'accuracy'] },
      '#/metrics/1',
      ['twice'],
    ],
    [
      'a batch larger than the training rows',
      2,
      { data: species, training: { batchSize: 71 } },
      '#/training/batchSize',
      ['71', 'at most 70'],
    ],
    [
      'no training rows',
      2,
      { data: { ...species, split: { kind: 'random', validation: 0.5, test: 0.499 } } },
      '#/data/split',
      ['no training rows'],
    ],
    [
      'early stopping without validation rows',
      2,
      {
        data: { ...species, split: { kind: 'random', validation: 0 } },
        training: { earlyStopping: {} },
      },
      '#/training/earlyStopping/monitor',
      ['validationLoss needs validation rows', '"loss"'],
    ],
    [
      'an unknown monitor',
      2,
      { data: species, training: { earlyStopping: { monitor: 'validationAcuracy' } } },
      '#/training/earlyStopping/monitor',
      ['did you mean "validationAccuracy"'],
    ],
  ])('names %s', (_, units, parts, pointer, words) => {
    const found = issues(units, parts);
    expect(found.map((issue) => issue.pointer)).toEqual([pointer]);
    for (const word of words) expect(found[0]?.detail).toContain(word);
  });

  it('takes exactly as large a batch as there are training rows', () => {
    expect(issues(2, { data: species, training: { batchSize: 70 } })).toEqual([]);
  });

  it('counts parameters as the network has them', () => {
    // length, digit, identity and a one-hot of one category: 4 inputs; 4·8 + 8 + 8·2 + 2 parameters.
    const limit = (parametersMax: number) =>
      issues(2, { data: species }, { ...defaultLimits, parametersMax });
    expect(limit(58)).toEqual([]);
    expect(limit(57)).toEqual([
      {
        pointer: '#/model/layers',
        detail: 'the model has 58 parameters, more than the limit of 57 (parametersMax)',
      },
    ]);
  });

  it.each([
    ['flopsMax', '#/training/epochs'],
    ['bytesMax', '#/model/layers'],
    ['layersMax', '#/model/layers'],
    ['epochsMax', '#/training/epochs'],
  ] as const)('names the limit %s', (limit, pointer) => {
    const [issue] = issues(2, { data: species }, { ...defaultLimits, [limit]: 1 });
    expect(issue).toMatchObject({ pointer, detail: expect.stringContaining(`limit of 1 (${limit})`) });
  });

  it('refuses sizes beyond all memory without allocating', () => {
    const units = 2 ** 31 - 1;
    const spec = specOf(2, { data: species });
    const huge = {
      ...spec,
      model: { layers: Array.from({ length: 10_000 }, () => ({ ...spec.model.layers[0], units })) },
    } as typeof spec;
    const before = process.memoryUsage().arrayBuffers;
    expect(checkSpec(huge, dataset)[0]?.detail).toContain('layersMax');
    const found = checkSpec(huge, dataset, { ...defaultLimits, layersMax: 10_000 });
    expect(found.map(({ detail }) => /\((\w+)\)/.exec(detail)?.[1])).toEqual(
      expect.arrayContaining(['parametersMax', 'bytesMax', 'flopsMax']),
    );
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1e6);
  });

  it('bounds memory by the batch as well', () => {
    const found = checkSpec(
      specOf(2, { data: species, model: layers(100_000, 2), training: { batchSize: 60_000 } }),
      { ...dataset, rowCount: 100_000 },
    );
    expect(found.map(({ detail }) => detail)).toEqual([expect.stringContaining('(bytesMax)')]);
  });
});

describe('a stratified split', () => {
  it('is refused for a number, which has no classes', () => {
    const found = issues(1, { data: { target: 'length', split: { kind: 'stratified' } } });
    expect(found).toEqual([{ pointer: '#/data/split/kind', detail: expect.stringContaining('"random"') }]);
  });
});
