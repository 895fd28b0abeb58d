import { describe, expect, it } from 'vitest';
import { answerOf, codeOf } from '../../../src/engine/answers.ts';
import { backends } from '../../../src/engine/codegen/backends.ts';
import { createPredictor } from '../../../src/engine/predict.ts';
import type { EngineSpec } from '../../../src/engine/spec.ts';
import { decodeSafetensors, encodeSafetensors, floatsOf } from '../../../src/engine/state.ts';
import type { Table } from '../../../src/engine/table.ts';
import { createTraining } from '../../../src/engine/train.ts';
import { columnOf, exampleTable, specOf } from './example-table.ts';

const iris = exampleTable('iris');

function modelOf(spec: EngineSpec, table: Table): Uint8Array {
  const training = createTraining({ spec, table, backend: backends.interpreter });
  while (training.stopReason === null) training.runEpoch({ shouldStop: () => false, onSteps: () => {} });
  return training.model();
}

/** The table's rows as a client would send them. */
const rowsOf = (table: Table): Record<string, unknown>[] =>
  Array.from({ length: table.rowCount }, (_, row) =>
    Object.fromEntries(
      table.columns.map((column) => [
        column.name,
        column.type === 'numeric' ? column.values[row] : column.categories[column.codes[row] ?? -1],
      ]),
    ),
  );

const classifier = modelOf(specOf(3, { data: { target: 'species' }, training: { epochs: 20 } }), iris);
const rows = rowsOf(iris);
const measured = rowsOf({ rowCount: 150, columns: iris.columns.slice(0, 4) });

function predictions(model: Uint8Array, given: Record<string, unknown>[], backend: keyof typeof backends) {
  const result = createPredictor(model, backends[backend]).predict(given);
  if ('issues' in result) throw new Error(JSON.stringify(result.issues));
  return result.predictions;
}

describe.each(['interpreter', 'wasm'] as const)('predicting on %s', (backend) => {
  it('names the class and gives every class’s probability', () => {
    const answers = predictions(classifier, rows, backend);
    const right = answers.filter(({ value }, i) => value === rows[i]?.species).length;
    expect(right / rows.length).toBeGreaterThan(0.9);
    for (const { value, probabilities = {} } of answers) {
      expect(Object.keys(probabilities)).toEqual(['setosa', 'versicolor', 'virginica']);
      const shares = Object.values(probabilities);
      expect(shares.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
      expect(probabilities[String(value)]).toBe(Math.max(...shares));
    }
  });

  it('gives a row the same bits alone, in any company, and on the other back end', () => {
    const together = predictions(classifier, rows, backend);
    const reversed = predictions(classifier, rows.toReversed(), backend).toReversed();
    expect(reversed).toEqual(together);
    for (const i of [0, 63, 64, 149]) {
      expect(predictions(classifier, rows.slice(i, i + 1), backend)).toEqual([together[i]]);
    }
    expect(predictions(classifier, rows, 'interpreter')).toEqual(together);
  });

  it('predicts numbers', () => {
    const model = modelOf(specOf(1, { data: { target: 'petal_width' }, training: { epochs: 40 } }), iris);
    const answers = predictions(model, rows, backend);
    const error = answers.reduce(
      (sum, { value }, i) => sum + Math.abs(Number(value) - Number(rows[i]?.petal_width)),
      0,
    );
    expect(error / rows.length).toBeLessThan(0.25);
    expect(answers[0]).toEqual({ value: expect.any(Number) });
  });

  it('answers with the labels that whole numbers had in the dataset', () => {
    const table = {
      rowCount: 150,
      columns: [
        ...iris.columns.slice(0, 4),
        columnOf(
          'code',
          rows.map(({ species }) => (species === 'setosa' ? '-7' : '30')),
        ),
      ],
    };
    const spec = specOf(1, { data: { target: 'code' }, loss: { kind: 'binaryCrossEntropy' } });
    const answers = predictions(modelOf(spec, table), [measured[0] ?? {}, measured[149] ?? {}], backend);
    expect(answers.map(({ value }) => value)).toEqual(['-7', '30']);
    expect(Object.keys(answers[0]?.probabilities ?? {}).sort()).toEqual(['-7', '30']);
  });

  it('takes no rows', () => {
    expect(predictions(classifier, [], backend)).toEqual([]);
  });
});

it('agrees with plain arithmetic on the file’s numbers to 1e-6', () => {
  const [w0, b0, w1, b1] = decodeSafetensors(classifier).tensors.map(floatsOf);
  const { preprocessing } = createPredictor(classifier, backends.interpreter);
  const x = preprocessing.features.map((feature) => {
    const { mean = 0, scale = 1 } = feature.type === 'numeric' ? feature.fitted : {};
    return (Number(rows[100]?.[feature.name]) - mean) / scale;
  });
  const affine = (
    input: number[],
    w: Float32Array = new Float32Array(),
    b: Float32Array = new Float32Array(),
  ) =>
    Array.from(b, (bias, unit) =>
      input.reduce((sum, v, i) => sum + v * (w[unit * input.length + i] ?? 0), bias),
    );
  const z = affine(affine(x, w0, b0).map(Math.tanh), w1, b1).map(Math.exp);
  const total = z.reduce((a, b) => a + b);
  const [answer] = predictions(classifier, rows.slice(100, 101), 'interpreter');
  for (const [i, share] of Object.values(answer?.probabilities ?? {}).entries()) {
    expect(Math.abs(share - (z[i] ?? 0) / total)).toBeLessThan(1e-6);
  }
});

it('says what is wrong with the rows instead of answering', () => {
  const { petal_length, ...short } = rows[1] ?? {};
  expect(petal_length).toBe(1.4);
  expect(createPredictor(classifier, backends.interpreter).predict([rows[0] ?? {}, short])).toEqual({
    issues: [{ pointer: '#/rows/1/petal_length', detail: expect.stringContaining('missing') }],
  });
});

it('does not answer with what is not a number', () => {
  const spec = specOf(1, {
    data: { target: 'petal_width', preprocessing: { numeric: { kind: 'none' } } },
    model: { layers: [{ kind: 'dense', units: 1 }] },
  });
  const model = modelOf(spec, iris);
  const far = { ...rows[1], petal_length: 1e308 };
  expect(createPredictor(model, backends.interpreter).predict([rows[0] ?? {}, far])).toEqual({
    issues: [{ pointer: '#/rows/1', detail: expect.stringContaining('not a finite number') }],
  });
});

it('refuses bytes that are no model', () => {
  const open = (bytes: Uint8Array) => () => createPredictor(bytes, backends.interpreter);
  expect(open(new Uint8Array(4))).toThrow('not a safetensors file');
  expect(open(encodeSafetensors([], { trainyard: '{}' }))).toThrow('not a model file');
  const { tensors, metadata } = decodeSafetensors(classifier);
  expect(open(encodeSafetensors(tensors.slice(1), metadata))).toThrow('no layers.0.weight');
});

describe('codeOf', () => {
  it('splits one output at one half and takes the first largest of several', () => {
    expect([0.4999, 0.5, 1].map((p) => codeOf(Float32Array.of(p)))).toEqual([0, 1, 1]);
    expect(codeOf(Float32Array.of(0.2, 0.4, 0.4))).toBe(1);
    expect(codeOf(Float32Array.of(Number.NaN, 0.4))).toBe(0);
  });
});

it('gives no probabilities where the loss has no link', () => {
  const target = { name: 't', type: 'categorical' as const, classes: ['a', 'b'] };
  expect(answerOf(Float32Array.of(0.1, 0.9), target, false)).toEqual({ value: 'b' });
  expect(answerOf(Float32Array.of(0.25), target, true)).toEqual({
    value: 'a',
    probabilities: { a: 0.75, b: 0.25 },
  });
});
