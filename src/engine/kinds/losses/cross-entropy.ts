/**
 * −Σₖ tₖ·log softmax(z)ₖ per row, for targets that sum to 1 (one-hot), fused with softmax: PyTorch's
 * CrossEntropyLoss. With m = max z it is log Σ e^(z−m) − Σ t·(z − m), which neither overflows nor cancels;
 * the gradient that follows from it is softmax(z) − t.
 */
import { z } from 'zod';
import { exp, log, mul, rowMax, rowSum, stopGradient, sub } from '../../expr.ts';
import type { LossKind } from '../kind.ts';

const schema = z.strictObject({ kind: z.literal('crossEntropy') }).meta({
  id: 'CrossEntropyLoss',
  description: 'Softmax cross-entropy on the last layer’s logits, one output per class',
});

export const crossEntropy: LossKind<typeof schema> = {
  kind: 'crossEntropy',
  schema,
  link: 'softmax',
  targets: ['categorical'],
  outputs: ({ classes }) => ({
    units: classes,
    why: `crossEntropy wants one output per class: ${classes}`,
  }),
  formula: (logits, target) => {
    const shifted = sub(logits, stopGradient(rowMax(logits)));
    return sub(log(rowSum(exp(shifted))), rowSum(mul(target, shifted)));
  },
};
