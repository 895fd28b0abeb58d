/**
 * How far single precision may be from the truth in a normalisation. Subtracting a mean loses what lies below the last
 * bit of x, so that x̂ = (x − μ)/√(σ² + ε) is known to some roundings of X = max|x̂| + max|x|/√(σ² + ε), and not of x̂;
 * the rest follows from the formulas. The sizes are the truth's, in double precision.
 */
import { ROUNDING } from './golden.ts';

/** On PyTorch's tables we need 1.6 at most; a term forgotten or counted twice shows at some 2^20. */
const ROUNDINGS = 2;

export interface NormCase {
  readonly input: readonly number[];
  readonly gradient: readonly number[];
  readonly gamma: readonly number[];
  readonly beta: readonly number[];
  readonly epsilon: number;
  /** Of an element: the feature whose γ and β it takes, and the group that it is normalised in. */
  featureOf(i: number): number;
  groupOf(i: number): number;
}

/** Bounds for the output and the input's gradient by element, for γ's and β's by feature. */
export function normBounds(at: NormCase) {
  const groups = new Map<number, number[]>();
  for (const i of at.input.keys()) groups.set(at.groupOf(i), [...(groups.get(at.groupOf(i)) ?? []), i]);
  const output = at.input.map(() => 0);
  const input = at.input.map(() => 0);
  const gamma = at.gamma.map(() => 0);
  const beta = at.beta.map(() => 0);
  for (const members of groups.values()) {
    const x = members.map((i) => at.input[i] ?? 0);
    const mean = x.reduce((sum, v) => sum + v, 0) / x.length;
    const variance = x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / x.length;
    const scale = 1 / Math.sqrt(variance + at.epsilon);
    const normal = Math.max(...x.map((v) => Math.abs(v - mean) * scale));
    const known = normal + scale * Math.max(...x.map(Math.abs));
    const given = (i: number): number => Math.abs((at.gamma[at.featureOf(i)] ?? 0) * (at.gradient[i] ?? 0));
    const largest = Math.max(...members.map(given));
    for (const i of members) {
      const f = at.featureOf(i);
      const g = Math.abs(at.gradient[i] ?? 0);
      output[i] = ROUNDINGS * ROUNDING * (Math.abs(at.gamma[f] ?? 0) * known + Math.abs(at.beta[f] ?? 0));
      input[i] = ROUNDINGS * ROUNDING * scale * largest * (1 + normal * known);
      gamma[f] = (gamma[f] ?? 0) + ROUNDINGS * ROUNDING * g * known;
      beta[f] = (beta[f] ?? 0) + ROUNDINGS * ROUNDING * g;
    }
  }
  return { output, input, gamma, beta };
}
