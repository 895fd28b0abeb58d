/** Taps of windows as two loops: nearly always they lie in lines at equal distances. */
import type { Windows } from '../../kernels.ts';

type Tap = Windows['taps'][number];

export interface TapGrid {
  readonly lines: number;
  readonly perLine: number;
  /** From one tap of a line to the next, and from one line's first tap to the next line's. */
  readonly inLine: Tap;
  readonly toLine: Tap;
}

const distance = (a: Tap, b: Tap): Tap => ({ rowStep: b.rowStep - a.rowStep, block: b.block - a.block });
const same = (a: Tap, b: Tap): boolean => a.rowStep === b.rowStep && a.block === b.block;

/** Null where the taps do not lie like that. */
export function tapGrid(taps: readonly Tap[]): TapGrid | null {
  const steps = taps.slice(1).map((tap, i) => distance(taps[i] ?? tap, tap));
  const [inLine = { rowStep: 0, block: 0 }] = steps;
  const end = steps.findIndex((step) => !same(step, inLine));
  const perLine = end < 0 ? taps.length : end + 1;
  if (perLine === 0 || taps.length % perLine !== 0) return null;
  const [first, next] = [taps[0], taps[perLine]];
  if (first === undefined) return null;
  const toLine = next === undefined ? { rowStep: 0, block: 0 } : distance(first, next);
  const regular = taps.every((tap, i) => {
    const y = Math.floor(i / perLine);
    const x = i - y * perLine;
    const wanted = {
      rowStep: first.rowStep + y * toLine.rowStep + x * inLine.rowStep,
      block: first.block + y * toLine.block + x * inLine.block,
    };
    return same(tap, wanted);
  });
  return regular ? { lines: taps.length / perLine, perLine, inLine, toLine } : null;
}
