/** What a network's outputs for one row mean in the target's own terms. */
import type { Preprocessing } from './preprocessing.ts';

export interface Prediction {
  /** The class's label, or the number. */
  readonly value: string | number;
  /** Of every class, where the network's outputs are probabilities. */
  readonly probabilities?: Readonly<Record<string, number>>;
}

/** The class that outputs (or a target's encoding) stand for: one output splits at ½, several compete. */
export function codeOf(outputs: Float32Array): number {
  if (outputs.length === 1) return (outputs[0] ?? 0) >= 0.5 ? 1 : 0;
  let best = 0;
  for (const [code, value] of outputs.entries()) if (value > (outputs[best] ?? 0)) best = code;
  return best;
}

/** `probable`: whether the outputs are probabilities (the loss has a link). */
export function answerOf(
  outputs: Float32Array,
  { type, classes }: Preprocessing['target'],
  probable: boolean,
): Prediction {
  if (type === 'numeric') return { value: outputs[0] ?? Number.NaN };
  const value = classes[codeOf(outputs)] ?? '';
  if (!probable) return { value };
  const second = outputs[0] ?? 0;
  const shares = outputs.length === 1 ? [1 - second, second] : [...outputs];
  return {
    value,
    probabilities: Object.fromEntries(classes.map((label, code) => [label, shares[code] ?? 0])),
  };
}
