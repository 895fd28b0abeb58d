/**
 * One WebAssembly module per plan: a function per kernel, and per program an exported loop over steps, so that one
 * call from JavaScript runs many. Everything in memory is addressed from what a call is given: one module serves every
 * run of an equal plan, whatever its data and wherever its buffers lie.
 */
import type { Kernel, Plan, Program } from '../../kernels.ts';
import { schedule } from '../../schedule.ts';
import type { Func, Local } from './assembler.ts';
import { createModule } from './assembler.ts';
import { emitGather } from './gather.ts';
import { emitGemm } from './gemm.ts';
import { advance, countUp } from './loops.ts';
import { emitMap } from './map.ts';
import { emitMove } from './move.ts';
import { packBytes } from './pack.ts';
import { emitShare } from './share.ts';
import type { StepGlobals, Target } from './target.ts';
import { FLOAT_BYTES } from './target.ts';

/** Arguments of an exported program, in order: which thread of how many, the number of steps, and addresses. */
export const PROGRAM_ARGUMENTS = [
  'thread',
  'threads',
  'steps',
  'arena',
  'scratch',
  'indices',
  'rows',
  'inputs',
  'outputs',
  'features',
  'targets',
] as const;
export type ProgramFunction = (...args: number[]) => void;
export type ProgramArguments = Readonly<Record<(typeof PROGRAM_ARGUMENTS)[number], number>>;

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
  };
  const tables: number[] = [];
  const table = (values: readonly number[]): number => {
    const at = plan.arenaBytes + tables.length * FLOAT_BYTES;
    tables.push(...values);
    return at;
  };
  const target: Target = { plan, module, step, table };
  const kernels = new Map<Kernel, Func>();
  const emitKernel = (kernel: Kernel): Func => {
    const known = kernels.get(kernel) ?? emit(target, kernel);
    kernels.set(kernel, known);
    return known;
  };
  const programs = Object.entries(plan.programs);
  for (const [name, program] of programs) emitProgram(target, name, program, emitKernel);
  const products = programs.flatMap(([, p]) => p.kernels).filter((k) => k.kind === 'gemm');
  const scratchBytes = Math.max(0, ...products.map((k) => packBytes(k, plan)));
  return { bytes: module.encode(), tables, scratchBytes };
}

function emit(target: Target, kernel: Kernel): Func {
  switch (kernel.kind) {
    case 'map':
      return emitMap(target, kernel);
    case 'gemm':
      return emitGemm(target, kernel);
    case 'gather':
      return emitGather(target, kernel);
    case 'move':
      return emitMove(target, kernel);
    default:
      return kernel satisfies never;
  }
}

function emitProgram(
  target: Target,
  name: string,
  program: Program,
  emitKernel: (kernel: Kernel) => Func,
): void {
  const { step } = target;
  const turns = schedule(program.kernels).map((t) => ({ ...t, func: emitKernel(t.kernel) }));
  target.module.func(
    PROGRAM_ARGUMENTS.length,
    (code) => {
      const at = (wanted: (typeof PROGRAM_ARGUMENTS)[number]): Local => {
        const local = code.parameters[PROGRAM_ARGUMENTS.indexOf(wanted)];
        if (local === undefined) throw new Error(`a program takes ${wanted}`);
        return local;
      };
      const keep = (wanted: Exclude<keyof StepGlobals, 'rows'>): void => {
        code.get(at(wanted));
        code.setGlobal(step[wanted]);
      };
      keep('arena');
      keep('scratch');
      keep('features');
      keep('targets');
      const seat = { thread: at('thread'), threads: at('threads') };
      countUp(code, code.local('i32'), { from: 0, by: 1, limit: () => code.get(at('steps')) }, () => {
        code.get(at('rows'));
        code.memory('i32.load', 0);
        code.setGlobal(step.rows);
        keep('indices');
        keep('inputs');
        keep('outputs');
        for (const turn of turns) emitShare(target, code, seat, turn);
        code.get(at('indices'));
        code.getGlobal(step.rows);
        code.i32(FLOAT_BYTES);
        code.op('i32.mul');
        code.op('i32.add');
        code.set(at('indices'));
        advance(code, at('rows'), FLOAT_BYTES);
        advance(code, at('inputs'), program.inputs.length * FLOAT_BYTES);
        advance(code, at('outputs'), program.outputs.length * FLOAT_BYTES);
      });
    },
    name,
  );
}
