import { describe, expect, it } from 'vitest';
import { codedTable } from '../../../src/engine/coded-table.ts';
import { backends } from '../../../src/engine/codegen/backends.ts';
import { prepareData } from '../../../src/engine/prepare.ts';
import { encodeRows, preprocessingSchema } from '../../../src/engine/preprocessing.ts';
import { below, stream } from '../../../src/engine/random.ts';
import { resolveTask } from '../../../src/engine/resolve.ts';
import { type NumericValues, summarize, type Table } from '../../../src/engine/table.ts';
import { createTraining } from '../../../src/engine/train.ts';
import { columnOf, exampleTable, specOf } from './example-table.ts';

const table: Table = {
  rowCount: 8,
  columns: [
    columnOf('size', ['1', '2', '3', '4', '5', '6', '7', '800']),
    columnOf('colour', ['red', 'green', 'red', 'blue', 'red', 'green', 'blue', 'red']),
    columnOf('kind', ['b', 'a', 'b', 'a', 'b', 'a', 'b', 'a']),
    columnOf('grade', ['10', '9', '10', '2', '9', '10', '2', '9']),
  ],
};

function prepare(units: number, parts: Parameters<typeof specOf>[1], from = table) {
  const resolved = resolveTask(specOf(units, parts), summarize(from));
  if ('issues' in resolved) throw new Error(JSON.stringify(resolved.issues));
  return { ...prepareData(resolved, from), resolved };
}

const raw = { numeric: { kind: 'none' as const } };

describe('prepareData', () => {
  it('lays out features in the order asked for, categories in code order', () => {
    const { features, featureCount } = prepare(2, {
      data: { target: 'kind', features: ['colour', 'size'], preprocessing: raw },
    });
    expect(featureCount).toBe(4);
    // blue, green, red, size
    expect(Array.from(features.subarray(0, 8))).toEqual([0, 0, 1, 1, 0, 1, 0, 2]);
  });

  it('takes every other column by default', () => {
    const { resolved } = prepare(2, { data: { target: 'kind' } });
    expect(resolved.spec.data.features).toEqual(['size', 'colour', 'grade']);
    expect(resolved.spec.loss).toEqual({ kind: 'crossEntropy' });
    expect(resolved.spec.metrics).toEqual(['accuracy']);
  });

  it('fits the statistics on the training rows only', () => {
    const seen = prepare(1, { data: { target: 'grade', features: ['size'] } });
    const sizes = Array.from(seen.parts.training, (row) => [1, 2, 3, 4, 5, 6, 7, 800][row] ?? 0);
    const mean = sizes.reduce((sum, x) => sum + x, 0) / sizes.length;
    const scale = Math.sqrt(sizes.reduce((sum, x) => sum + (x - mean) * (x - mean), 0) / sizes.length);
    const [feature] = seen.preprocessing.features;
    expect(feature?.type === 'numeric' && feature.fitted.mean).toBeCloseTo(mean, 9);
    expect(feature?.type === 'numeric' && feature.fitted.scale).toBeCloseTo(scale, 9);
    expect(sizes.length).toBe(6);
  });

  it('encodes two classes on one output as 0 and 1, the second in order being 1', () => {
    const { targets, targetCount } = prepare(1, {
      data: { target: 'kind' },
      loss: { kind: 'binaryCrossEntropy' },
    });
    expect(targetCount).toBe(1);
    expect(Array.from(targets)).toEqual([1, 0, 1, 0, 1, 0, 1, 0]);
  });

  it('makes whole numbers classes in numeric order under a loss for classes', () => {
    const { targets, preprocessing } = prepare(3, {
      data: { target: 'grade' },
      loss: { kind: 'crossEntropy' },
    });
    expect(preprocessing.target).toEqual({ name: 'grade', type: 'categorical', classes: ['2', '9', '10'] });
    expect(Array.from(targets.subarray(0, 6))).toEqual([0, 0, 1, 0, 1, 0]);
  });

  it('keeps numbers as they are under a loss for numbers', () => {
    const { targets, resolved } = prepare(1, { data: { target: 'grade' } });
    expect(Array.from(targets)).toEqual([10, 9, 10, 2, 9, 10, 2, 9]);
    expect(resolved.spec.loss).toEqual({ kind: 'meanSquaredError' });
    expect(resolved.spec.metrics).toEqual(['meanAbsoluteError']);
  });

  it('splits by the seed alone, every row once, classes in proportion', () => {
    const iris = exampleTable('iris');
    const first = prepare(3, { seed: 3, data: { target: 'species' } }, iris);
    const again = prepare(3, { seed: 3, data: { target: 'species' } }, iris);
    const other = prepare(3, { seed: 4, data: { target: 'species' } }, iris);
    const { training, validation, test } = first.parts;
    expect(again.parts).toEqual(first.parts);
    expect(other.parts.test).not.toEqual(test);
    expect([...training, ...validation, ...test].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 150 }, (_, row) => row),
    );
    const ofClass = (rows: Int32Array, code: number) =>
      rows.filter((row) => first.targets[row * 3 + code] === 1).length;
    for (const code of [0, 1, 2]) expect(ofClass(training, code)).toBeGreaterThanOrEqual(34);
  });
});

describe('encodeRows', () => {
  const { preprocessing, features } = prepare(2, { data: { target: 'kind' } });
  const row = { size: 1, colour: 'red', grade: 10 };

  it('encodes a raw row exactly as training did, before and after storage', () => {
    const stored = preprocessingSchema.parse(JSON.parse(JSON.stringify(preprocessing)));
    expect(stored).toEqual(preprocessing);
    for (const by of [preprocessing, stored]) {
      expect(encodeRows(by, [row])).toEqual({ features: features.slice(0, preprocessing.featureCount) });
    }
  });

  it('allows the target’s column and does not read it', () => {
    expect(encodeRows(preprocessing, [{ ...row, kind: 'whatever' }])).toEqual(
      encodeRows(preprocessing, [row]),
    );
  });

  it.each([
    [{ size: undefined }, '#/rows/1/size', 'missing'],
    [{ size: null }, '#/rows/1/size', 'missing'],
    [{ size: '1' }, '#/rows/1/size', 'not a finite number'],
    [{ size: Number.POSITIVE_INFINITY }, '#/rows/1/size', 'not a finite number'],
    [{ colour: undefined }, '#/rows/1/colour', 'missing'],
    [{ colour: 'gren' }, '#/rows/1/colour', 'did you mean "green"'],
    [{ colour: true }, '#/rows/1/colour', 'not a string'],
    [{ siez: 1 }, '#/rows/1/siez', 'did you mean "size"'],
    [JSON.parse('{"__proto__": 1}'), '#/rows/1/__proto__', 'no column'],
  ])('names what is wrong: %j', (change, pointer, words) => {
    const given = { ...row };
    for (const [key, value] of Object.entries(change)) {
      Object.defineProperty(given, key, { value, enumerable: true, configurable: true });
    }
    const result = encodeRows(preprocessing, [row, given]);
    expect(result).toEqual({ issues: [{ pointer, detail: expect.stringContaining(words) }] });
  });

  it('does not find columns on the prototype', () => {
    const inherited = Object.create(row) as Record<string, unknown>;
    expect(encodeRows(preprocessing, [inherited])).toMatchObject({ issues: { length: 3 } });
  });

  it('lists no more issues than anyone reads', () => {
    const result = encodeRows(
      preprocessing,
      Array.from({ length: 10_000 }, () => ({})),
    );
    expect('issues' in result && result.issues.length).toBe(100);
  });
});

describe('columns of bytes, and many of them', () => {
  const [rows, width] = [2_200, 500];
  const random = stream(1, 'bytes');
  const bytes = Array.from({ length: width }, () =>
    Uint8Array.from({ length: rows }, () => below(random, 256)),
  );
  const tableWith = (values: (column: Uint8Array) => NumericValues): Table => ({
    rowCount: rows,
    columns: [
      columnOf(
        'grade',
        Array.from({ length: rows }, (_, row) => String(row % 3)),
      ),
      ...bytes.map((column, i) => ({ name: `pixel${i}`, type: 'numeric' as const, values: values(column) })),
    ],
  });
  const coded = tableWith((column) => column);

  it.each(['standardize', 'none'] as const)(
    'stay bytes that stand for the floats of columns of floats: %s',
    (kind) => {
      const data = { target: 'grade', preprocessing: { numeric: { kind } } };
      const { features, preprocessing } = prepare(3, { data }, coded);
      const plain = prepare(
        3,
        { data },
        tableWith((column) => Float32Array.from(column)),
      );
      expect(preprocessing).toEqual(plain.preprocessing);
      const { codes, offsets, factors } = codedTable(features as Uint8Array, width);
      expect(codes.length).toBe(rows * width);
      const decoded = Float32Array.from(
        codes,
        (code, i) => (code - (offsets[i % width] ?? 0)) * (factors[i % width] ?? 0),
      );
      expect(Buffer.from(decoded.buffer).equals(Buffer.from(plain.features.buffer))).toBe(true);
    },
  );

  it('become floats beside a column of anything else', () => {
    const [target, ...columns] = coded.columns;
    if (target === undefined) throw new Error('no target');
    const mixed = { ...coded, columns: [target, columnOf('half', Array(rows).fill('0.5')), ...columns] };
    expect(prepare(3, { data: { target: 'grade' } }, mixed).features).toBeInstanceOf(Float32Array);
  });

  it('train to the same bits as columns of floats', () => {
    const spec = specOf(3, { data: { target: 'grade' }, training: { epochs: 1, batchSize: 64 } });
    const weights = [coded, tableWith((column) => Float32Array.from(column))].map((from) => {
      const training = createTraining({ spec, table: from, backend: backends.wasm });
      training.runEpoch({ shouldStop: () => false, onSteps: () => undefined });
      return Buffer.from(training.parameterBytes()).toString('base64');
    });
    expect(weights[0]).toBe(weights[1]);
  });
});
