/** How kernels go through the rows of their domain. */
import { rowsPerSample } from '../../kernels.ts';
import type { Amount, Range } from './amount.ts';
import { fixedAmount, localAmount } from './amount.ts';
import type { Code, Local } from './assembler.ts';
import { advance, repeat, repeatAmount } from './loops.ts';
import type { Domain, Steps } from './pointers.ts';

/**
 * Rows that every pointer walks in equal steps: all of the range in one line, or for each sample `height` lines of
 * `width` rows.
 */
export type Lines =
  | { readonly kind: 'one'; readonly perSample: number }
  | { readonly kind: 'many'; readonly height: number; readonly width: number };

export function linesOf({ rows, grid }: Domain, pointers: readonly Steps[]): Lines {
  const perSample = rowsPerSample(rows) ?? 1;
  let { height, width } = grid ?? { height: 1, width: perSample };
  if (pointers.every((p) => p.y === width * p.x)) [height, width] = [1, width * height];
  if (height === 1 && pointers.every((p) => p.sample === width * p.x)) return { kind: 'one', perSample };
  return { kind: 'many', height, width };
}

/** Pointers with where they are now. */
export interface Moving {
  readonly pointers: readonly Steps[];
  readonly locals: readonly Local[];
}

/** Sets the pointers to the first row of a range: what `base` pushes, plus their way through the samples before. */
export function startAt(
  code: Code,
  { pointers, locals }: Moving,
  base: (n: number) => void,
  from: Amount | null,
): void {
  for (const [n, { sample }] of pointers.entries()) {
    base(n);
    if (from !== null && from.fixed !== 0 && sample !== 0) {
      from.push();
      code.i32(sample);
      code.op('i32.mul');
      code.op('i32.add');
    }
    const local = locals[n];
    if (local === undefined) throw new Error('a pointer has no local');
    code.set(local);
  }
}

function move(code: Code, { pointers, locals }: Moving, by: (p: Steps) => number): void {
  for (const [n, local] of locals.entries()) {
    const pointer = pointers[n];
    if (pointer !== undefined) advance(code, local, by(pointer));
  }
}

/** Moves the pointers along a line. */
export const alongLine = (code: Code, moving: Moving, rows: number): void =>
  move(code, moving, (p) => rows * p.x);

/** Runs `line` for each line of a range, given that it moves the pointers to its end. */
export function walkLines(
  code: Code,
  lines: Lines,
  moving: Moving,
  { from, to }: Range,
  line: (rows: Amount) => void,
): void {
  const samples = difference(code, from, to);
  if (lines.kind === 'one') {
    if (samples.fixed !== null) {
      line(fixedAmount(code, samples.fixed * lines.perSample));
      return;
    }
    const count = code.local('i32');
    samples.push();
    code.i32(lines.perSample);
    code.op('i32.mul');
    code.set(count);
    line(localAmount(code, count));
    return;
  }
  const { height, width } = lines;
  repeatAmount(code, samples, () => {
    repeat(code, height, () => {
      line(fixedAmount(code, width));
      move(code, moving, (p) => p.y - width * p.x);
    });
    move(code, moving, (p) => p.sample - height * p.y);
  });
}

/** Runs `row` for each row of a range. */
export function walkRows(code: Code, lines: Lines, moving: Moving, range: Range, row: () => void): void {
  walkLines(code, lines, moving, range, (rows) => {
    repeatAmount(code, rows, () => {
      row();
      alongLine(code, moving, 1);
    });
  });
}

function difference(code: Code, from: Amount, to: Amount): Amount {
  if (from.fixed !== null && to.fixed !== null) return fixedAmount(code, to.fixed - from.fixed);
  if (from.fixed === 0) return to;
  const count = code.local('i32');
  to.push();
  from.push();
  code.op('i32.sub');
  code.set(count);
  return localAmount(code, count);
}
