/**
 * (1/K)·Σₖ max(z, 0) − z·t + log(1 + e^−|z|) per row of K logits, fused with sigmoid: PyTorch's BCEWithLogitsLoss.
 * One output for two classes (target 0 or 1); with more classes one output each, every class against the rest.
 */
import { z } from 'zod';
import { add, div, exp, ge, log, mul, neg, rowSum, select, stopGradient, sub } from '../../expr.ts';
import type { LossKind } from '../kind.ts';

const schema = z.strictObject({ kind: z.literal('binaryCrossEntropy') }).meta({
  id: 'BinaryCrossEntropyLoss',
  description:
    'Sigmoid cross-entropy on the last layer’s logits: one output for two classes, else one per class',
});

export const binaryCrossEntropy: LossKind<typeof schema> = {
  kind: 'binaryCrossEntropy',
  schema,
  link: 'sigmoid',
  targets: ['categorical'],
  outputs: ({ classes }) =>
    classes === 2
      ? { units: 1, why: 'binaryCrossEntropy wants one output for two classes' }
      : { units: classes, why: `binaryCrossEntropy wants one output per class above two: ${classes}` },
  formula: (logits, target, _, outputs) => {
    const positive = ge(logits, 0);
    const e = exp(select(positive, neg(logits), logits));
    const u = add(1, e);
    // log(1 + e) loses what 1 + e rounded away; (e − (u − 1))/u puts it back and has no gradient of its own.
    const log1p = add(log(u), stopGradient(div(sub(e, sub(u, 1)), u)));
    // max(z, 0) − z·t as one product: its slope is exactly 0 for a right answer, and leaves e/(1 + e) unrounded.
    const loss = add(mul(logits, sub(select(positive, 1, 0), target)), log1p);
    return mul(rowSum(loss), 1 / outputs);
  },
};
