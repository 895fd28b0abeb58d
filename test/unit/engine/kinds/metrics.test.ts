import { describe, expect, it } from 'vitest';
import { input } from '../../../../src/engine/expr.ts';
import { metrics } from '../../../../src/engine/kinds/metrics/registry.ts';
import { evaluate } from '../evaluate.ts';

function score(name: string, y: readonly number[][], t: readonly number[][]): number[] {
  const columns = y[0]?.length ?? 0;
  const e = metrics.get(name).formula(input('y'), input('t'), columns);
  const values = evaluate(e, { rows: y.length, columns, inputs: { y: y.flat(), t: t.flat() } });
  return [...values].filter((_, i) => i % columns === 0);
}

describe('accuracy', () => {
  it('compares one probability with ½', () => {
    const y = [[0.49], [0.5], [0.51], [0.2], [0.9], [NaN], [NaN]];
    const t = [[0], [1], [0], [1], [1], [0], [1]];
    expect(score('accuracy', y, t)).toEqual([1, 1, 0, 0, 1, 0, 0]);
  });

  it('looks for the largest of several', () => {
    const y = [
      [0.2, 0.5, 0.3],
      [0.2, 0.5, 0.3],
      [0.1, 0.1, 0.8],
    ];
    const t = [
      [0, 1, 0],
      [0, 0, 1],
      [0, 0, 1],
    ];
    expect(score('accuracy', y, t)).toEqual([1, 0, 1]);
  });

  it('counts a tie as right if the target is among the tied, and a NaN as wrong', () => {
    const y = [
      [0.4, 0.4, 0.2],
      [0.4, 0.4, 0.2],
      [0.4, 0.4, 0.2],
      [NaN, NaN, NaN],
    ];
    const t = [
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
      [1, 0, 0],
    ];
    expect(score('accuracy', y, t)).toEqual([1, 1, 0, 0]);
  });
});

describe('meanAbsoluteError', () => {
  it('averages over the outputs of a row', () => {
    expect(score('meanAbsoluteError', [[1], [-2]], [[3], [-2.5]])).toEqual([2, 0.5]);
    expect(score('meanAbsoluteError', [[1, 2, 3, 4]], [[1, 0, 3, 8]])).toEqual([1.5]);
  });
});
