import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toColumns, toCsv } from '../../../src/runs/metrics.ts';

const value = fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }));
const rows = fc
  .array(fc.record({ accuracy: value, loss: value, rate: value }), { maxLength: 300 })
  .map((all) => all.map((metrics, i) => ({ epoch: i + 1, metrics, diverged: false })));

describe('toColumns', () => {
  it('keeps within the limit, in order, with both ends and every series’ extremes', () => {
    fc.assert(
      fc.property(rows, fc.integer({ min: 2, max: 60 }), (all, pointsMax) => {
        const { epochs, series } = toColumns(all, pointsMax);
        expect(epochs.length).toBeLessThanOrEqual(pointsMax);
        expect(epochs).toEqual([...new Set(epochs)].sort((a, b) => a - b));
        if (all.length === 0) return;
        expect([epochs.at(0), epochs.at(-1)]).toEqual([1, all.length]);
        if (pointsMax < 8) return; // two ends and two extremes of three series
        for (const name of ['accuracy', 'loss', 'rate'] as const) {
          const finite = all.flatMap(({ metrics }) => metrics[name] ?? []);
          if (finite.length === 0) continue;
          expect(series[name]).toContain(Math.min(...finite));
          expect(series[name]).toContain(Math.max(...finite));
        }
      }),
    );
  });

  it('lists the loss first, and fills in what an epoch does not have', () => {
    const columns = toColumns(
      [
        { epoch: 1, metrics: { accuracy: 1 }, diverged: false },
        { epoch: 2, metrics: { loss: 2 }, diverged: true },
      ],
      10,
    );
    expect(Object.entries(columns.series)).toEqual([
      ['loss', [null, 2]],
      ['accuracy', [1, null]],
    ]);
    expect(columns.diverged).toBe(true);
    expect(toCsv(columns)).toBe('epoch,loss,accuracy\r\n1,,1\r\n2,2,\r\n');
  });
});
