/**
 * Formulas give the same bits on every back end, and those that the plain evaluator computes from the definitions:
 * each is lowered to kernels over a batch, run, and compared element by element.
 */
import { expect } from 'vitest';
import type { Expr, Extent } from '../../../../src/engine/expr.ts';
import { extentOf, operands } from '../../../../src/engine/expr.ts';
import type { BufferId, Source } from '../../../../src/engine/kernels.ts';
import { lower } from '../../../../src/engine/lower.ts';
import { simplify } from '../../../../src/engine/simplify.ts';
import { bitsOf, expectSameRun, oneStep, planOf } from '../codegen/compare.ts';
import type { Domain } from '../evaluate.ts';
import { evaluate } from '../evaluate.ts';

function inputsOf(formulas: readonly Expr[]): Map<string, Extent> {
  const found = new Map<string, Extent>();
  const seen = new Set<Expr>();
  const visit = (e: Expr): void => {
    if (seen.has(e)) return;
    seen.add(e);
    if (e.op === 'input') found.set(e.name, e.extent);
    operands(e).forEach(visit);
  };
  formulas.forEach(visit);
  return found;
}

/** `formulas` by name, each of extent `full` or `row`; `domain` gives their inputs. */
export function expectSameBitsEverywhere(formulas: Readonly<Record<string, Expr>>, domain: Domain): void {
  const { rows, columns } = domain;
  const inputs = inputsOf(Object.values(formulas));
  const scalars = [...inputs].filter(([, extent]) => extent === 'scalar').map(([name]) => name);
  const targets = new Map<string, BufferId>();
  const plan = planOf({
    batchSize: rows,
    stepInputs: scalars,
    kernels: (buffers) => {
      const place = (name: string, extent: Extent): BufferId =>
        extent === 'full'
          ? buffers.matrix(name, 'batch', columns)
          : buffers.vector(name, extent === 'row' ? 'batch' : columns);
      const source = (name: string, extent: Extent): Source =>
        extent === 'scalar'
          ? { from: 'stepInput', slot: scalars.indexOf(name) }
          : { from: 'buffer', buffer: place(name, extent), extent };
      const outputs = Object.entries(formulas).map(([name, expr]) => {
        const buffer = place(`out ${name}`, extentOf(expr));
        targets.set(name, buffer);
        return { expr, target: { to: 'buffer', buffer } as const };
      });
      const sources = Object.fromEntries([...inputs].map(([name, extent]) => [name, source(name, extent)]));
      return lower({ label: 'formula', rows: 'batch', columns, sources, outputs }, buffers);
    },
  });
  const oracle = expectSameRun(plan, {
    batch: oneStep(
      rows,
      scalars.map((name) => domain.inputs[name]?.[0] ?? NaN),
    ),
    values: (name) => (name in domain.inputs ? Float32Array.from(domain.inputs[name] ?? []) : null),
  });
  for (const [name, buffer] of targets) {
    const e = formulas[name];
    if (e === undefined) continue;
    const wanted = evaluate(simplify(e), domain);
    const perRow = extentOf(e) === 'row';
    const expected = Float32Array.from(perRow ? wanted.filter((_, i) => i % columns === 0) : wanted);
    expect(bitsOf(oracle.read(buffer)), name).toEqual(bitsOf(expected));
  }
  oracle.dispose();
}
