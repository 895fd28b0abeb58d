import { describe, expect, it } from 'vitest';
import { schedules } from '../../../../src/engine/kinds/schedules/registry.ts';
import golden from '../../../golden/schedules.json' with { type: 'json' };

const rate = (
  spec: object,
  at: { step?: number; epoch?: number; steps?: number; epochs?: number },
): number => {
  const parsed = schedules.schema.parse(spec);
  return schedules
    .get(parsed.kind)
    .learningRate(0.5, { step: 0, epoch: 0, steps: 100, epochs: 10, ...at }, parsed);
};

describe('exponential', () => {
  const { exponential, kind } = { exponential: schedules.get('exponential'), kind: 'exponential' };

  it.each(golden.cases)(
    `matches ${golden.source} with T = $timeConstant`,
    ({ initial, timeConstant, rates }) => {
      const spec = exponential.schema.parse({ kind, timeConstant });
      rates.forEach((wanted, step) => {
        const value = exponential.learningRate(initial, { step, epoch: 0, steps: 1, epochs: 1 }, spec);
        // PyTorch multiplies by γ = e^(−1/T) at each step: one rounding of γ and one per step, in f64.
        expect(Math.abs(value / wanted - 1)).toBeLessThan((2 * step + 2) * 2 ** -53);
      });
    },
  );

  it('counts steps or epochs, and falls to 1/e over the whole run unless told otherwise', () => {
    expect(rate({ kind }, { step: 100 })).toBeCloseTo(0.5 / Math.E, 15);
    expect(rate({ kind, per: 'epoch' }, { step: 100, epoch: 5 })).toBeCloseTo(0.5 * Math.exp(-0.5), 15);
    expect(rate({ kind, per: 'epoch', timeConstant: 2 }, { epoch: 4 })).toBeCloseTo(0.5 * Math.exp(-2), 15);
    expect(rate({ kind }, {})).toBe(0.5);
  });

  it.each([{ timeConstant: 0 }, { timeConstant: -1 }, { timeConstant: Infinity }, { per: 'batch' }])(
    'refuses %j',
    (change) => {
      expect(schedules.schema.safeParse({ kind, ...change }).success).toBe(false);
    },
  );
});

describe('constant', () => {
  it('stays', () => {
    expect(rate({ kind: 'constant' }, { step: 99, epoch: 9 })).toBe(0.5);
  });
});
