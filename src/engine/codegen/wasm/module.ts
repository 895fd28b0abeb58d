/**
 * One WebAssembly module per plan: a function per kernel, and per program an exported loop over steps, so that one
 * call from JavaScript runs many. Everything in memory is addressed from what a call is given: one module serves every
 * run of an equal plan, whatever its data and wherever its buffers lie.
 */
import type { Kernel, Plan, Program } from '../../kernels.ts';
import type { Turn } from '../../schedule.ts';
import { schedule } from '../../schedule.ts';
import type { Range } from './amount.ts';
import { fixedAmount, localAmount } from './amount.ts';
import type { Code, Func, Local } from './assembler.ts';
import { createModule } from './assembler.ts';
import { emitBarrier } from './barrier.ts';
import { emitGather } from './gather.ts';
import { emitGemm } from './gemm.ts';
import { advance, countUp } from './loops.ts';
import { emitMap } from './map.ts';
import { emitMove } from './move.ts';
import { packBytes } from './pack.ts';
import { emitShare, wholeOf } from './share.ts';
import type { StepGlobals, Target } from './target.ts';
import { FLOAT_BYTES } from './target.ts';

/** Arguments of an exported program, in order: which thread of how many, then what all threads are told alike. */
export const CALL_ARGUMENTS = [
  'steps',
  'sync',
  'arena',
  'scratch',
  'indices',
  'rows',
  'inputs',
  'outputs',
  'features',
  'targets',
] as const;
const PROGRAM_ARGUMENTS = ['thread', 'threads', ...CALL_ARGUMENTS] as const;
/** The number of steps, and addresses; `scratch` is that of all threads, one after another. */
export type CallArguments = Readonly<Record<(typeof CALL_ARGUMENTS)[number], number>>;
export type ProgramFunction = (thread: number, threads: number, ...call: readonly number[]) => void;

/** Programs of no more than this are written out for one thread: a call of a kernel takes as long as its work. */
const WRITTEN_FLOPS_MAX = 65_536;
const WRITTEN_KERNELS_MAX = 64;

export interface PlanModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Integers to be written behind the plan's arena. */
  readonly tables: readonly number[];
  /** Bytes that each thread packs operands into. */
  readonly scratchBytes: number;
}

export function emitModule(plan: Plan): PlanModule {
  const module = createModule(1);
  const global = () => module.global();
  const step: StepGlobals = {
    arena: global(),
    scratch: global(),
    rows: global(),
    indices: global(),
    inputs: global(),
    outputs: global(),
    features: global(),
    targets: global(),
    sync: global(),
    threads: global(),
  };
  const tables: number[] = [];
  const table = (values: readonly number[]): number => {
    const at = plan.arenaBytes + tables.length * FLOAT_BYTES;
    tables.push(...values);
    return at;
  };
  const target: Target = { plan, module, step, samples: null, table };
  const kernels = new Map<Kernel, Func>();
  const emitKernel = (kernel: Kernel): Func => {
    const known = kernels.get(kernel) ?? emitFunction(target, kernel);
    kernels.set(kernel, known);
    return known;
  };
  const programs = Object.entries(plan.programs);
  const products = programs.flatMap(([, p]) => p.kernels).filter((k) => k.kind === 'gemm');
  const scratchBytes = Math.max(0, ...products.map((k) => packBytes(k, plan)));
  const barrier = emitBarrier(module, step);
  for (const [name, program] of programs) {
    emitProgram(target, { name, program, scratchBytes, barrier, emitKernel });
  }
  return { bytes: module.encode(), tables, scratchBytes };
}

/** A kernel as a function of a range. */
const emitFunction = (target: Target, kernel: Kernel): Func =>
  target.module.func(2, (code) => {
    const [from, to] = code.parameters;
    if (from === undefined || to === undefined) throw new Error('a kernel takes a range');
    emit(target, code, kernel, { from: localAmount(code, from), to: localAmount(code, to) }, false);
  });

function emit(target: Target, code: Code, kernel: Kernel, range: Range, written: boolean): void {
  switch (kernel.kind) {
    case 'map':
      emitMap(target, code, kernel, range);
      return;
    case 'gemm':
      emitGemm(target, code, kernel, range, written);
      return;
    case 'gather':
      emitGather(target, code, kernel, range);
      return;
    case 'move':
      emitMove(target, code, kernel, range);
      return;
    default:
      kernel satisfies never;
  }
}

function emitProgram(
  target: Target,
  at: {
    readonly name: string;
    readonly program: Program;
    readonly scratchBytes: number;
    readonly barrier: Func;
    readonly emitKernel: (kernel: Kernel) => Func;
  },
): void {
  const { step, module } = target;
  const { program } = at;
  const turns = schedule(program.kernels).map((t) => ({ ...t, func: at.emitKernel(t.kernel) }));
  const body = (code: Code): void => {
    const local = (wanted: (typeof PROGRAM_ARGUMENTS)[number]): Local => {
      const found = code.parameters[PROGRAM_ARGUMENTS.indexOf(wanted)];
      if (found === undefined) throw new Error(`a program takes ${wanted}`);
      return found;
    };
    const keep = (wanted: Exclude<keyof StepGlobals, 'rows'>): void => {
      code.get(local(wanted));
      code.setGlobal(step[wanted]);
    };
    code.get(local('scratch'));
    code.get(local('thread'));
    code.i32(at.scratchBytes);
    code.op('i32.mul');
    code.op('i32.add');
    code.set(local('scratch'));
    for (const fixed of ['arena', 'scratch', 'features', 'targets', 'sync', 'threads'] as const) keep(fixed);
    const seat = { thread: local('thread'), threads: local('threads') };
    const stepOf = (kernels: () => void): void => {
      code.get(local('rows'));
      code.memory('i32.load', 0);
      code.setGlobal(step.rows);
      for (const moving of ['indices', 'inputs', 'outputs'] as const) keep(moving);
      kernels();
      code.get(local('indices'));
      code.getGlobal(step.rows);
      code.i32(FLOAT_BYTES);
      code.op('i32.mul');
      code.op('i32.add');
      code.set(local('indices'));
      advance(code, local('rows'), FLOAT_BYTES);
      advance(code, local('inputs'), program.inputs.length * FLOAT_BYTES);
      advance(code, local('outputs'), program.outputs.length * FLOAT_BYTES);
    };
    const loop = (kernels: () => void): void => {
      const limit = (): void => code.get(local('steps'));
      countUp(code, code.local('i32'), { from: 0, by: 1, limit }, () => stepOf(kernels));
    };
    code.block(() => {
      code.get(seat.threads);
      code.i32(1);
      code.op('i32.ne');
      code.brIf(0);
      loop(() => emitAlone(target, code, turns, program));
      code.op('return');
    });
    loop(() => {
      for (const turn of turns) {
        if (turn.barrier) code.call(at.barrier);
        emitShare(target, code, seat, turn);
      }
    });
  };
  module.func(PROGRAM_ARGUMENTS.length, body, at.name);
}

/** All of a step by one thread. Of a small program, full steps are written out with everything in its place. */
function emitAlone(
  target: Target,
  code: Code,
  turns: readonly (Turn & { readonly func: Func })[],
  { flops }: Program,
): void {
  const called = (): void => {
    for (const { kernel, split, func } of turns) {
      code.i32(0);
      wholeOf(target, code, kernel, split).push();
      code.call(func);
    }
  };
  if (flops > WRITTEN_FLOPS_MAX || turns.length > WRITTEN_KERNELS_MAX) {
    called();
    return;
  }
  const full = { ...target, samples: target.plan.batchSize };
  code.block(() => {
    code.block(() => {
      code.getGlobal(target.step.rows);
      code.i32(full.samples);
      code.op('i32.ne');
      code.brIf(0);
      for (const { kernel, split } of turns) {
        const range = { from: fixedAmount(code, 0), to: wholeOf(full, code, kernel, split) };
        code.scope(() => emit(full, code, kernel, range, true));
      }
      code.br(1);
    });
    called();
  });
}
