/**
 * A program as a function of the System V calling convention: (call, thread, threads) → 0, or 1 if it gave up. It runs
 * step after step; a plan that is small has code of its own for whole batches, written out as far as possible.
 */

import type { Kernel, Plan, Program } from '../../kernels.ts';
import type { Split, Turn } from '../../schedule.ts';
import { schedule } from '../../schedule.ts';
import { log2 } from '../log2.ts';
import { shareOfCount } from './amounts.ts';
import type { Assembler } from './assembler.ts';
import { emitBarrier } from './barrier.ts';
import { createFrame } from './frame.ts';
import { emitGather } from './gather.ts';
import { emitGemm } from './gemm.ts';
import type { Isa } from './isa.ts';
import { vectorsOf } from './isa.ts';
import { emitMap } from './map.ts';
import { emitMove } from './move.ts';
import type { Gp, Label } from './operands.ts';
import { at, r12, r13, r14, r15, rax, rbp, rbx, rdi, rdx, rsi, rsp } from './operands.ts';
import type { StepSlots, Target } from './target.ts';
import { ARENA, FLOAT_BYTES } from './target.ts';

export interface CodeOptions {
  readonly isa: Isa;
  /** Kernels are divided among threads; otherwise one does all. */
  readonly threaded: boolean;
  /** Waiting threads give their turn away by Linux's system call. */
  readonly yields: boolean;
}

/** The words of the call, 64 bits each, in order: addresses, and numbers of steps and bytes. */
export const CALL_WORDS = [
  'arena',
  'steps',
  'indices',
  'rows',
  'inputs',
  'outputs',
  'features',
  'targets',
  'sync',
  'scratch',
  'scratchBytes',
] as const;
export type CallWord = (typeof CALL_WORDS)[number];

const WORD_BYTES = 8;
const SAVED: readonly Gp[] = [rbx, rbp, r12, r13, r14, r15];
const STACK_ALIGNMENT = 64;
/** Multiplications and table elements of a program that is worth code of its own for whole batches. */
const SMALL_MAX = 4000;

/** Where a call begins is bound to `entry`. */
export function emitProgram(
  asm: Assembler,
  plan: Plan,
  program: Program,
  options: CodeOptions,
  entry: Label,
): void {
  const { isa, threaded } = options;
  const frame = createFrame();
  const words = Object.fromEntries(CALL_WORDS.map((name) => [name, frame.word()])) as Record<
    CallWord,
    ReturnType<typeof frame.word>
  >;
  const rowsOfSteps = words.rows;
  const stackPointer = frame.word();
  const expected = frame.word();
  const step: StepSlots = {
    ...words,
    rows: frame.word(),
    thread: frame.word(),
    threads: frame.word(),
    sampleFrom: frame.word(),
    sampleTo: frame.word(),
  };
  const abort = asm.label();
  const target: Target = {
    plan,
    isa,
    asm,
    v: vectorsOf(asm, isa),
    frame,
    step,
    rows: null,
    threaded,
    abort,
  };
  const body = asm.label();
  const leave = asm.label();
  const barrier = asm.label();
  const turns = schedule(program.kernels);

  asm.align(STACK_ALIGNMENT);
  asm.bind(body);
  const top = asm.label();
  const next = asm.label();
  const none = asm.label();
  asm.mov(rax, words.steps);
  asm.test(rax, rax);
  asm.jcc('e', none);
  asm.bind(top);
  asm.mov(rax, rowsOfSteps);
  asm.mov32(rax, at(rax));
  asm.mov(step.rows, rax);
  const emitTurns = (t: Target): void => {
    for (const turn of turns) frame.scoped(() => emitTurn(t, turn, barrier));
  };
  if (!threaded && isSmall(plan, program)) {
    const moving = asm.label();
    asm.opImmediate('cmp', rax, plan.batchSize);
    asm.jcc('ne', moving);
    emitTurns({ ...target, rows: plan.batchSize });
    asm.jmp(next);
    asm.bind(moving);
  }
  if (threaded) {
    frame.scoped(() => {
      const share = shareOfCount(target, step.rows);
      asm.mov(rax, share.from);
      asm.mov(step.sampleFrom, rax);
      asm.mov(rax, share.to);
      asm.mov(step.sampleTo, rax);
    });
  }
  emitTurns(target);
  asm.bind(next);
  asm.mov(rax, step.rows);
  asm.shift('shl', rax, log2(FLOAT_BYTES));
  asm.op('add', step.indices, rax);
  asm.opImmediate('add', rowsOfSteps, FLOAT_BYTES);
  asm.opImmediate('add', step.inputs, program.inputs.length * FLOAT_BYTES);
  asm.opImmediate('add', step.outputs, program.outputs.length * FLOAT_BYTES);
  asm.opImmediate('sub', words.steps, 1);
  asm.jcc('ne', top);
  asm.bind(none);
  asm.op32('xor', rax, rax);
  asm.bind(leave);
  asm.vzeroupper();
  asm.mov(rsp, stackPointer);
  for (const register of SAVED.toReversed()) asm.pop(register);
  asm.ret();

  asm.bind(abort);
  asm.movImmediate(rax, 1);
  asm.jmp(leave);
  if (threaded) emitBarrier(target, { label: barrier, sync: words.sync, expected, yields: options.yields });

  asm.align(STACK_ALIGNMENT);
  asm.bind(entry);
  for (const register of SAVED) asm.push(register);
  asm.mov(rax, rsp);
  asm.opImmediate('sub', rsp, frame.bytes());
  asm.opImmediate('and', rsp, -STACK_ALIGNMENT);
  asm.mov(rbp, rsp);
  asm.mov(stackPointer, rax);
  asm.mov(step.thread, rsi);
  asm.mov(step.threads, rdx);
  asm.movImmediate(expected, 0);
  for (const [i, name] of CALL_WORDS.entries()) {
    asm.mov(rax, at(rdi, i * WORD_BYTES));
    asm.mov(words[name], rax);
  }
  asm.mov(ARENA, words.arena);
  asm.mov(rax, words.scratchBytes);
  asm.imul(rax, rsi);
  asm.op('add', step.scratch, rax);
  asm.jmp(body);
}

function isSmall(plan: Plan, program: Program): boolean {
  const tables = program.kernels.map((k) => (k.kind === 'gather' ? k.columns * plan.batchSize : 0));
  return program.flops / 2 + tables.reduce((a, b) => a + b, 0) <= SMALL_MAX;
}

function emitTurn(target: Target, { kernel, split, barrier }: Turn, meet: Label): void {
  const { asm, threaded, step } = target;
  const others = asm.label();
  if (threaded && barrier) asm.call(meet);
  if (threaded && split.by === 'first') {
    asm.opImmediate('cmp', step.thread, 0);
    asm.jcc('ne', others);
  }
  emitKernel(target, kernel, split);
  asm.bind(others);
}

function emitKernel(target: Target, kernel: Kernel, split: Split): void {
  switch (kernel.kind) {
    case 'map':
      emitMap(target, kernel, split);
      break;
    case 'gemm':
      emitGemm(target, kernel, split);
      break;
    case 'gather':
      emitGather(target, kernel, split);
      break;
    case 'move':
      emitMove(target, kernel, split);
      break;
    default:
      kernel satisfies never;
  }
}
