/** Numbers that are known when the code is made, or found when it runs. */
import type { Dim } from '../../kernels.ts';
import { rowsPerSample } from '../../kernels.ts';
import type { Code, Local } from './assembler.ts';
import type { Target } from './target.ts';

export interface Amount {
  /** Null where it is not known. */
  readonly fixed: number | null;
  push(): void;
}

export const fixedAmount = (code: Code, value: number): Amount => ({
  fixed: value,
  push: () => code.i32(value),
});

export const localAmount = (code: Code, local: Local): Amount => ({
  fixed: null,
  push: () => code.get(local),
});

/** The samples of the step. */
export const samplesOf = (target: Target, code: Code): Amount =>
  target.samples === null
    ? { fixed: null, push: () => code.getGlobal(target.step.rows) }
    : fixedAmount(code, target.samples);

/** `by` is at least 1. */
export function times(code: Code, amount: Amount, by: number): Amount {
  if (amount.fixed !== null) return fixedAmount(code, amount.fixed * by);
  if (by === 1) return amount;
  return {
    fixed: null,
    push: () => {
      amount.push();
      code.i32(by);
      code.op('i32.mul');
    },
  };
}

/** Rows of a dimension. */
export function dimAmount(target: Target, code: Code, d: Dim): Amount {
  const perSample = rowsPerSample(d);
  if (typeof d === 'number' || perSample === null) return fixedAmount(code, Number(d));
  return times(code, samplesOf(target, code), perSample);
}

/** The samples, or rows of a fixed dimension, that a range of it is counted in. */
export const unitsOf = (target: Target, code: Code, d: Dim): Amount =>
  typeof d === 'number' ? fixedAmount(code, d) : samplesOf(target, code);

/** From one up to another: samples, rows of a fixed dimension, or blocks of columns. */
export interface Range {
  readonly from: Amount;
  readonly to: Amount;
}
