/**
 * Rows are dealt so that every class has the same share of each part, as nearly as whole rows allow: largest
 * remainders first, the earlier class on a tie. Part sizes are those of the random split. A numeric target has no
 * classes: all rows are one stratum then.
 */
import { z } from 'zod';
import { shuffle } from '../../random.ts';
import type { SplitKind } from '../kind.ts';
import { fraction, leavesTraining, leavesTrainingIssue, partSizes } from './fractions.ts';

const schema = z
  .strictObject({
    kind: z.literal('stratified'),
    validation: fraction.default(0.15).describe('Share of the rows held out for validation'),
    test: fraction.default(0.15).describe('Share of the rows held out for the final test'),
  })
  .refine(leavesTraining, leavesTrainingIssue)
  .meta({ id: 'StratifiedSplit', description: 'As random, with every class’s share kept in each part' });

/** Splits `total` among groups in proportion to their sizes; none gets more than it has. */
function apportion(total: number, sizes: readonly number[]): number[] {
  const all = sizes.reduce((sum, n) => sum + n, 0);
  const quotas = sizes.map((n) => (all === 0 ? 0 : (total * n) / all));
  const seats = quotas.map((q) => Math.floor(q));
  const left = total - seats.reduce((sum, n) => sum + n, 0);
  const byRemainder = quotas
    .map((q, group) => ({ group, remainder: q - Math.floor(q) }))
    .sort((a, b) => b.remainder - a.remainder || a.group - b.group);
  for (const { group } of byRemainder.slice(0, left)) seats[group] = (seats[group] ?? 0) + 1;
  return seats;
}

export const stratified: SplitKind<typeof schema> = {
  kind: 'stratified',
  needsClasses: true,
  schema,
  sizes: partSizes,
  assign: ({ rows, strata, random }, spec) => {
    const groups: number[][] = [];
    for (let row = 0; row < rows; row++) {
      const stratum = strata?.[row] ?? 0;
      const group = groups[stratum] ?? [];
      group.push(row);
      groups[stratum] = group;
    }
    // Codes without a row leave holes.
    const orders = Array.from(groups, (group) => Int32Array.from(group ?? []));
    for (const order of orders) shuffle(order, random);

    const sizes = partSizes(rows, spec);
    const validation = apportion(
      sizes.validation,
      orders.map((o) => o.length),
    );
    const test = apportion(
      sizes.test,
      orders.map((o, i) => o.length - (validation[i] ?? 0)),
    );
    const gather = (from: (i: number) => number, to: (i: number) => number | undefined): Int32Array =>
      Int32Array.from(orders.flatMap((o, i) => [...o.subarray(from(i), to(i))])).sort();
    const held = (i: number): number => validation[i] ?? 0;
    const dealt = (i: number): number => held(i) + (test[i] ?? 0);
    return {
      validation: gather(() => 0, held),
      test: gather(held, dealt),
      training: gather(dealt, () => undefined),
    };
  },
};
