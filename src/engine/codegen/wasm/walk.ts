/** How kernels go through the rows of their domain. */
import { rowsPerSample } from '../../kernels.ts';
import type { Code, Local } from './assembler.ts';
import { advance, countUp, repeat } from './loops.ts';
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

export interface Line {
  readonly fixed: number | null;
  readonly push: () => void;
}

/** The samples, or rows of a fixed dimension, from one up to another. */
export interface Range {
  readonly from: Local;
  readonly to: Local;
}

/** Sets the pointers to the first row of a range: what `base` pushes, plus their way through the samples before. */
export function startAt(
  code: Code,
  pointers: readonly Steps[],
  locals: readonly Local[],
  base: (n: number) => void,
  from: Local | null,
): void {
  for (const [n, { sample }] of pointers.entries()) {
    base(n);
    if (from !== null && sample !== 0) {
      code.get(from);
      code.i32(sample);
      code.op('i32.mul');
      code.op('i32.add');
    }
    const local = locals[n];
    if (local === undefined) throw new Error('a pointer has no local');
    code.set(local);
  }
}

const move = (code: Code, pointers: readonly Steps[], locals: readonly Local[], by: (p: Steps) => number) => {
  for (const [n, local] of locals.entries())
    advance(code, local, by(pointers[n] ?? { x: 0, y: 0, sample: 0 }));
};

/** Moves the pointers along a line. */
export const alongLine = (
  code: Code,
  pointers: readonly Steps[],
  locals: readonly Local[],
  rows: number,
): void => move(code, pointers, locals, (p) => rows * p.x);

/** Runs `line` for each line of a range, given that it moves the pointers to its end. */
export function walkLines(
  code: Code,
  lines: Lines,
  { pointers, locals }: { readonly pointers: readonly Steps[]; readonly locals: readonly Local[] },
  { from, to }: Range,
  line: (line: Line) => void,
): void {
  if (lines.kind === 'one') {
    const count = code.local('i32');
    code.get(to);
    code.get(from);
    code.op('i32.sub');
    code.i32(lines.perSample);
    code.op('i32.mul');
    code.set(count);
    line({ fixed: null, push: () => code.get(count) });
    return;
  }
  const { height, width } = lines;
  const sample = code.local('i32');
  code.get(from);
  code.set(sample);
  countUp(code, sample, { by: 1, limit: () => code.get(to) }, () => {
    repeat(code, height, () => {
      line({ fixed: width, push: () => code.i32(width) });
      move(code, pointers, locals, (p) => p.y - width * p.x);
    });
    move(code, pointers, locals, (p) => p.sample - height * p.y);
  });
}

/** Runs `row` for each row of a range. */
export function walkRows(
  code: Code,
  lines: Lines,
  at: { readonly pointers: readonly Steps[]; readonly locals: readonly Local[] },
  range: Range,
  row: () => void,
): void {
  walkLines(code, lines, at, range, ({ push }) => {
    countUp(code, code.local('i32'), { from: 0, by: 1, limit: push }, () => {
      row();
      alongLine(code, at.pointers, at.locals, 1);
    });
  });
}
