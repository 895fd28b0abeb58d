/** Numbers of rows and blocks: known when the code is made, or words of the frame; and the loops over them. */

import type { Dim } from '../../kernels.ts';
import { rowsPerSample, VIRTUAL_LANES } from '../../kernels.ts';
import type { Split } from '../../schedule.ts';
import { log2 } from '../log2.ts';
import type { Gp, Mem } from './operands.ts';
import { rax, rcx, rdx } from './operands.ts';
import type { Target } from './target.ts';

export type Amount = number | Mem;

/** from … to − 1. */
export interface Span {
  readonly from: Amount;
  readonly to: Amount;
}

export const span = (from: Amount, to: Amount): Span => ({ from, to });
/** How many, where that is known. */
export const countOf = ({ from, to }: Span): number | null =>
  typeof from === 'number' && typeof to === 'number' ? to - from : null;

export function loadAmount({ asm }: Target, register: Gp, amount: Amount): void {
  if (typeof amount !== 'number') asm.mov(register, amount);
  else if (amount === 0) asm.op32('xor', register, register);
  else asm.movImmediate(register, amount);
}

/** A new word of the frame that holds a product. */
function product({ asm, frame }: Target, amount: Mem, factor: number): Mem {
  if (factor === 1) return amount;
  const word = frame.word();
  asm.imulImmediate(rax, amount, factor);
  asm.mov(word, rax);
  return word;
}

/** What a thread does of a dimension: all of it where kernels are not divided. */
export function shareOf(target: Target, d: Dim, split: Split): Span {
  const { step, rows, threaded } = target;
  const perSample = rowsPerSample(d);
  if (perSample !== null) {
    if (threaded && split.by === 'samples') {
      return span(product(target, step.sampleFrom, perSample), product(target, step.sampleTo, perSample));
    }
    return span(0, rows === null ? product(target, step.rows, perSample) : rows * perSample);
  }
  const count = typeof d === 'number' ? d : 0;
  if (!threaded || split.by !== 'rows') return span(0, count);
  const { granule } = split;
  const granules = shareOfCount(target, Math.ceil(count / granule));
  const from = granules.from as Mem;
  const to = granules.to as Mem;
  return span(product(target, from, granule), limited(target, product(target, to, granule), count));
}

/** The blocks of 16 columns that a thread does. */
export function blocksOf(target: Target, columns: Dim, split: Split): Span {
  const divided = target.threaded && split.by === 'columns';
  if (typeof columns === 'number') {
    const blocks = Math.ceil(columns / VIRTUAL_LANES);
    return divided ? shareOfCount(target, blocks) : span(0, blocks);
  }
  const length = shareOf({ ...target, threaded: false }, columns, split).to;
  if (typeof length === 'number') {
    const blocks = Math.ceil(length / VIRTUAL_LANES);
    return divided ? shareOfCount(target, blocks) : span(0, blocks);
  }
  const { asm, frame } = target;
  const blocks = frame.word();
  asm.mov(rax, length);
  asm.opImmediate('add', rax, VIRTUAL_LANES - 1);
  asm.shift('shr', rax, log2(VIRTUAL_LANES));
  asm.mov(blocks, rax);
  return divided ? shareOfCount(target, blocks) : span(0, blocks);
}

/** [⌊n·t/T⌋, ⌊n·(t+1)/T⌋) in words of the frame. */
export function shareOfCount(target: Target, n: Amount): { readonly from: Mem; readonly to: Mem } {
  const { asm, frame, step } = target;
  const from = frame.word();
  const to = frame.word();
  loadAmount(target, rcx, n);
  asm.mov(rax, step.thread);
  asm.imul(rax, rcx);
  asm.op32('xor', rdx, rdx);
  asm.div(step.threads);
  asm.mov(from, rax);
  asm.mov(rax, step.thread);
  asm.opImmediate('add', rax, 1);
  asm.imul(rax, rcx);
  asm.op32('xor', rdx, rdx);
  asm.div(step.threads);
  asm.mov(to, rax);
  return { from, to };
}

/** The word, at most `most`. */
function limited({ asm }: Target, word: Mem, most: number): Mem {
  const within = asm.label();
  asm.opImmediate('cmp', word, most);
  asm.jcc('le', within);
  asm.movImmediate(word, most);
  asm.bind(within);
  return word;
}

/** The body as often as a register says; not at all if that is 0. The register counts down. */
export function repeat({ asm }: Target, counter: Gp, body: () => void, known: number | null = null): void {
  const end = asm.label();
  const top = asm.label();
  if (known === null) {
    asm.test(counter, counter);
    asm.jcc('e', end);
  }
  asm.bind(top);
  body();
  asm.opImmediate('sub', counter, 1);
  asm.jcc('ne', top);
  asm.bind(end);
}

/** The body for each number of a span, in a register that the body must keep. */
export function forEach(target: Target, register: Gp, over: Span, body: () => void): void {
  const { asm } = target;
  const end = asm.label();
  const top = asm.label();
  loadAmount(target, register, over.from);
  const compare = (): void => {
    if (typeof over.to === 'number') asm.opImmediate('cmp', register, over.to);
    else asm.op('cmp', register, over.to);
  };
  if (countOf(over) === null) {
    compare();
    asm.jcc('ge', end);
  } else if (countOf(over) === 0) return;
  asm.bind(top);
  body();
  asm.opImmediate('add', register, 1);
  compare();
  asm.jcc('l', top);
  asm.bind(end);
}
