import { describe, expect, it } from 'vitest';
import { CLASSES_MAX, integerClasses, summarize } from '../../../src/engine/table.ts';

const numeric = (values: number[]) => ({
  rowCount: values.length,
  columns: [{ name: 'x', type: 'numeric' as const, values: Float64Array.from(values) }],
});

describe('summarize', () => {
  it('gives range, mean and classes of whole numbers in numeric order', () => {
    expect(summarize(numeric([10, 2, -1, 2, 7]))).toEqual([
      {
        name: 'x',
        type: 'numeric',
        integer: true,
        min: -1,
        max: 10,
        mean: 4,
        classes: ['-1', '2', '7', '10'],
      },
    ]);
  });

  it('has no classes where a value is a fraction', () => {
    expect(summarize(numeric([1, 2.5]))[0]).toMatchObject({ integer: false, mean: 1.75, classes: null });
  });

  it('has no classes beyond the limit but still calls the values whole', () => {
    const many = Array.from({ length: CLASSES_MAX + 1 }, (_, i) => i);
    expect(summarize(numeric(many))[0]).toMatchObject({ integer: true, classes: null });
    expect(integerClasses(Float64Array.from(many.slice(1)))).toHaveLength(CLASSES_MAX);
  });

  it('keeps the mean of the largest doubles finite', () => {
    const huge = Number.MAX_VALUE;
    expect(summarize(numeric([huge, huge, -huge, -huge]))[0]).toMatchObject({ min: -huge, max: huge });
    const [column] = summarize(numeric([huge, huge, -huge, -huge]));
    expect(column?.type === 'numeric' && Number.isFinite(column.mean)).toBe(true);
  });

  it('counts the rows of every category, also of absent ones', () => {
    const table = {
      rowCount: 3,
      columns: [
        {
          name: 'c',
          type: 'categorical' as const,
          categories: ['a', 'b', 'z'],
          codes: Int32Array.from([2, 0, 2]),
        },
      ],
    };
    expect(summarize(table)).toEqual([
      {
        name: 'c',
        type: 'categorical',
        categories: [
          { value: 'a', count: 1 },
          { value: 'b', count: 0 },
          { value: 'z', count: 2 },
        ],
      },
    ]);
  });
});
