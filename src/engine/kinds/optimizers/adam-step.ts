/**
 * What the relatives of Adam share, in PyTorch's form: m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g², and the step
 * η·m̂/(√v̂ + ε) with m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ) and ε outside the root.
 * The two corrections depend on t alone and come in as scalars: η/(1 − β₁ᵗ) and 1/√(1 − β₂ᵗ).
 */
import { z } from 'zod';
import type { Expr } from '../../expr.ts';
import { add, constant, div, mul, sqrt } from '../../expr.ts';
import { powInt } from '../../scalar-math.ts';
import { decay, learningRate } from './fields.ts';

export const adamFields = {
  learningRate: learningRate.default(0.001),
  beta1: decay.default(0.9).describe('Decay of the mean of gradients'),
  beta2: decay.default(0.999).describe('Decay of the mean of squared gradients'),
  epsilon: z.number().gte(1e-37).lte(1).default(1e-8).describe('Added to the root, outside it'),
};

interface Betas {
  readonly beta1: number;
  readonly beta2: number;
}

export const adamSlots = ['mean', 'square'] as const;
export const adamScalarNames = ['stepSize', 'rootScale'] as const;
export const adamScalars = ({ beta1, beta2 }: Betas, t: number, rate: number): readonly number[] => [
  rate / (1 - powInt(beta1, t)),
  1 / Math.sqrt(1 - powInt(beta2, t)),
];

/** What to take from the parameter, and the next means. */
export function adamStep(
  at: {
    readonly gradient: Expr;
    readonly slots: Readonly<Record<string, Expr>>;
    readonly scalars: Readonly<Record<string, Expr>>;
  },
  { beta1, beta2, epsilon }: Betas & { readonly epsilon: number },
): { readonly step: Expr; readonly slots: { readonly mean: Expr; readonly square: Expr } } {
  const { mean: m = constant(NaN), square: v = constant(NaN) } = at.slots;
  const { stepSize = constant(NaN), rootScale = constant(NaN) } = at.scalars;
  const mean = add(mul(beta1, m), mul(1 - beta1, at.gradient));
  const square = add(mul(beta2, v), mul(1 - beta2, mul(at.gradient, at.gradient)));
  const scale = add(mul(sqrt(square), rootScale), epsilon);
  return { step: mul(stepSize, div(mean, scale)), slots: { mean, square } };
}
