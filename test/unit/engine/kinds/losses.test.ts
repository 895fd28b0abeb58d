import { describe, expect, it } from 'vitest';
import { vjp } from '../../../../src/engine/derive.ts';
import { constant, input } from '../../../../src/engine/expr.ts';
import { losses } from '../../../../src/engine/kinds/losses/registry.ts';
import golden from '../../../golden/losses.json' with { type: 'json' };
import { evaluate } from '../evaluate.ts';
import { ulp32 } from '../ulp.ts';
import { exampleSpec } from './example-spec.ts';

const z = input('z');
const t = input('t');

interface Table {
  z: number[][];
  t: number[][];
  loss: number[];
  gradient: number[][];
}

function run(name: string, { z: rows, t: targets }: Pick<Table, 'z' | 't'>) {
  const kind = losses.get(name);
  const columns = rows[0]?.length ?? 0;
  const e = kind.formula(z, t, exampleSpec(kind), columns);
  const domain = { rows: rows.length, columns, inputs: { z: rows.flat(), t: targets.flat() } };
  const perRow = [...evaluate(e, domain)].filter((_, i) => i % columns === 0);
  return { loss: perRow, gradient: [...evaluate(vjp(e, 'z', constant(1)), domain)] };
}

describe(`against ${golden.source} in f64`, () => {
  const tables: [string, Table[]][] = Object.entries(golden.tables);
  it.each(tables)('%s', (name, list) => {
    for (const table of list) {
      const { loss, gradient } = run(name, table);
      table.loss.forEach((wanted, row) => {
        // A row's loss is a sum of terms as large as its outputs, each rounded; then log or square adds its own.
        const size = Math.max(wanted, 1, ...(table.z[row] ?? []).map(Math.abs));
        expect(Math.abs((loss[row] ?? NaN) - wanted), `row ${row}`).toBeLessThanOrEqual(4 * ulp32(size));
      });
      table.gradient.flat().forEach((wanted, i) => {
        // Differences of probabilities (or of numbers, for the squared error), each 3 ulp off.
        const bound = 4 * ulp32(Math.max(Math.abs(wanted), 0.5));
        expect(Math.abs((gradient[i] ?? NaN) - wanted), `gradient ${i}`).toBeLessThanOrEqual(bound);
      });
    }
  });
});

describe('binaryCrossEntropy', () => {
  it('keeps the small loss of a confident and right answer, and its gradient', () => {
    const { loss, gradient } = run('binaryCrossEntropy', { z: [[20], [-20]], t: [[1], [0]] });
    const wanted = Math.log1p(Math.exp(-20));
    const slope = 1 / (1 + Math.exp(20));
    for (const v of loss) expect(Math.abs(v / wanted - 1)).toBeLessThan(4 * 2 ** -24);
    expect(Math.abs((gradient[0] ?? NaN) / -slope - 1)).toBeLessThan(4 * 2 ** -24);
    expect(Math.abs((gradient[1] ?? NaN) / slope - 1)).toBeLessThan(4 * 2 ** -24);
  });

  it('takes one output for two classes, and one per class above', () => {
    const { outputs } = losses.get('binaryCrossEntropy');
    expect(outputs({ type: 'categorical', classes: 2 }).units).toBe(1);
    expect(outputs({ type: 'categorical', classes: 3 }).units).toBe(3);
  });
});

describe('links', () => {
  it('fuses softmax and sigmoid with their losses', () => {
    expect(losses.kinds.map((kind) => [kind.kind, kind.link])).toEqual([
      ['meanSquaredError', null],
      ['crossEntropy', 'softmax'],
      ['binaryCrossEntropy', 'sigmoid'],
    ]);
  });
});
