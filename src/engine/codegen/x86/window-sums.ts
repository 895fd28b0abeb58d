/** The sums of products through windows: along taps and channels, or, for weights, over all positions of all samples. */
import type { Windows } from '../../kernels.ts';
import { rowsPerSample } from '../../kernels.ts';
import { repeat } from './amounts.ts';
import type { Mem } from './operands.ts';
import { at, offset, r8, rax } from './operands.ts';
import type { Product } from './product.ts';
import { A, B } from './product.ts';
import { tapGrid } from './tap-grid.ts';
import type { Target } from './target.ts';
import { FLOAT_BYTES, panelBytes, rowBytes } from './target.ts';

const COUNT = r8;
/** Multiplications of a tile that is written out altogether. */
const WRITTEN_OUT_MAX = 200;
/** Positions of a line that are written out in a row. */
const UNROLL_LINE = 4;

type Multiply = (a: Mem, b: Mem) => void;

const advance = ({ asm }: Target, register: number, bytes: number): void => {
  if (bytes !== 0) asm.opImmediate('add', register, bytes);
};

/** The body as often as a word of the frame says, which counts down; at least once. */
export function countDown({ asm }: Target, word: Mem, body: () => void): void {
  const top = asm.label();
  asm.bind(top);
  body();
  asm.opImmediate('sub', word, 1);
  asm.jcc('ne', top);
}

/** Sums along k = taps × channels. A and B are at the window's first element and at B's first row. */
export function emitTapSum(p: Product, windows: Windows, perStep: number, multiply: Multiply): void {
  const { target, kernel, bLine } = p;
  const { asm, frame, plan } = target;
  const { channels } = windows;
  const line = rowBytes(target);
  const toNextPanel = panelBytes(target, p.a);
  // A packed B has its taps in order.
  const taps = kernel.bTransposed ? windows.taps.map((t, block) => ({ ...t, block })) : windows.taps;
  const columnAt = (c: number): number => {
    const panel = Math.floor(c / plan.panel);
    return panel * toNextPanel + (c - panel * plan.panel) * FLOAT_BYTES;
  };
  if (taps.length * channels * perStep <= WRITTEN_OUT_MAX) {
    for (const { rowStep, block } of taps) {
      for (let c = 0; c < channels; c++) {
        multiply(at(A, rowStep * line + columnAt(c)), at(B, (block * channels + c) * bLine));
      }
    }
    return;
  }
  const panels = Math.floor(channels / plan.panel);
  const looped = panels >= 2;
  /** All channels of a tap; leaves A and B as far on as `walked` says. */
  const tapSum = (): void => {
    const steps = (first: number, count: number): void => {
      for (let c = first; c < first + count; c++) {
        multiply(at(A, columnAt(c)), at(B, c * bLine));
      }
    };
    if (!looped) {
      steps(0, channels);
      return;
    }
    asm.movImmediate(COUNT, panels);
    const panel = (): void => {
      steps(0, plan.panel);
      advance(target, A, toNextPanel);
      advance(target, B, plan.panel * bLine);
    };
    repeat(target, COUNT, panel, panels);
    steps(0, channels - panels * plan.panel);
  };
  const walked = {
    a: looped ? panels * toNextPanel : 0,
    b: looped ? panels * plan.panel * bLine : 0,
  };
  const move = (tap: { rowStep: number; block: number }, since: typeof walked): void => {
    advance(target, A, tap.rowStep * line - since.a);
    advance(target, B, tap.block * channels * bLine - since.b);
  };
  const nowhere = { a: 0, b: 0 };
  const [first] = taps;
  if (first === undefined) return;
  move(first, nowhere);
  const grid = tapGrid(taps);
  if (grid === null) {
    for (const [i, tap] of taps.entries()) {
      tapSum();
      const next = taps[i + 1];
      if (next !== undefined) {
        move({ rowStep: next.rowStep - tap.rowStep, block: next.block - tap.block }, walked);
      }
    }
    return;
  }
  const { lines, perLine, inLine, toLine } = grid;
  const lineSum = (): void => {
    frame.scoped(() => {
      const left = frame.word();
      asm.movImmediate(left, perLine);
      countDown(target, left, () => {
        tapSum();
        move(inLine, walked);
      });
    });
    const back = {
      rowStep: toLine.rowStep - perLine * inLine.rowStep,
      block: toLine.block - perLine * inLine.block,
    };
    if (lines > 1) move(back, nowhere);
  };
  frame.scoped(() => {
    const left = frame.word();
    asm.movImmediate(left, lines);
    countDown(target, left, lineSum);
  });
}

/** Sums over k = every position of every sample of the step. A is at the first window, B at the first position. */
export function emitPositionSum(p: Product, { grid, view }: Windows, multiply: Multiply): void {
  const { target } = p;
  const { asm, frame, step } = target;
  const line = rowBytes(target);
  const perSample = rowsPerSample(p.a.rows) ?? 0;
  const steps = (count: number): void => {
    for (let i = 0; i < count; i++) {
      multiply(offset(at(A), i * view.xStride * line), offset(at(B), i * p.bLine));
    }
    advance(target, A, count * view.xStride * line);
    advance(target, B, count * p.bLine);
  };
  const whole = Math.floor(grid.width / UNROLL_LINE);
  const lineSum = (): void => {
    if (whole > 0) {
      asm.movImmediate(COUNT, whole);
      repeat(target, COUNT, () => steps(UNROLL_LINE), whole);
    }
    if (grid.width % UNROLL_LINE > 0) steps(grid.width % UNROLL_LINE);
    advance(target, A, (view.yStride - grid.width * view.xStride) * line);
  };
  frame.scoped(() => {
    const samples = frame.word();
    const lines = frame.word();
    const none = asm.label();
    if (target.rows === null) asm.mov(rax, step.rows);
    else asm.movImmediate(rax, target.rows);
    asm.test(rax, rax);
    asm.jcc('e', none);
    asm.mov(samples, rax);
    countDown(target, samples, () => {
      asm.movImmediate(lines, grid.height);
      countDown(target, lines, lineSum);
      advance(target, A, (perSample - grid.height * view.yStride) * line);
    });
    asm.bind(none);
  });
}
