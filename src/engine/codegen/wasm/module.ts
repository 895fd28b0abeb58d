/**
 * One WebAssembly module per plan: a function per kernel, and per program an exported loop over steps, so that one
 * call from JavaScript runs many. Tables are addresses, given with each call: the module does not depend on the data.
 */
import type { Kernel, Plan, Program } from '../../kernels.ts';
import type { Func } from './assembler.ts';
import { createModule } from './assembler.ts';
import { emitGather } from './gather.ts';
import { emitGemm } from './gemm.ts';
import { advance, countUp } from './loops.ts';
import { emitMap } from './map.ts';
import { packBytes } from './pack.ts';
import type { StepGlobals, Target } from './target.ts';
import { FLOAT_BYTES } from './target.ts';

/** Arguments of an exported program: how many steps, and the address of each table. */
export type ProgramFunction = (
  steps: number,
  indices: number,
  rows: number,
  inputs: number,
  outputs: number,
  features: number,
  targets: number,
) => void;

export interface PlanModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Bytes of memory that belong to the plan itself, from address 0; a multiple of 64. */
  readonly memoryBytes: number;
}

export function emitModule(plan: Plan): PlanModule {
  const module = createModule(1);
  const global = () => module.global();
  const step: StepGlobals = {
    rows: global(),
    indices: global(),
    inputs: global(),
    outputs: global(),
    features: global(),
    targets: global(),
  };
  const target: Target = { plan, module, step, scratch: plan.arenaBytes };
  const kernels = new Map<Kernel, Func>();
  const emitKernel = (kernel: Kernel): Func => {
    const known = kernels.get(kernel) ?? emit(target, kernel);
    kernels.set(kernel, known);
    return known;
  };
  const programs = Object.entries(plan.programs);
  for (const [name, program] of programs) emitProgram(target, name, program, program.kernels.map(emitKernel));
  const products = programs.flatMap(([, p]) => p.kernels).filter((k) => k.kind === 'gemm');
  const scratchBytes = Math.max(0, ...products.map((k) => packBytes(k, plan.panel)));
  return { bytes: module.encode(), memoryBytes: plan.arenaBytes + scratchBytes };
}

function emit(target: Target, kernel: Kernel): Func {
  switch (kernel.kind) {
    case 'map':
      return emitMap(target, kernel);
    case 'gemm':
      return emitGemm(target, kernel);
    case 'gather':
      return emitGather(target, kernel);
    default:
      return kernel satisfies never;
  }
}

function emitProgram(target: Target, name: string, program: Program, kernels: readonly Func[]): void {
  const { step } = target;
  target.module.func(
    7,
    (code) => {
      const [steps, indices, rows, inputs, outputs, features, targets] = code.parameters;
      if (
        steps === undefined ||
        indices === undefined ||
        rows === undefined ||
        inputs === undefined ||
        outputs === undefined ||
        features === undefined ||
        targets === undefined
      ) {
        throw new Error('a program takes seven arguments');
      }
      code.get(features);
      code.setGlobal(step.features);
      code.get(targets);
      code.setGlobal(step.targets);
      const s = code.local('i32');
      countUp(code, s, { from: 0, by: 1, limit: () => code.get(steps) }, () => {
        code.get(rows);
        code.memory('i32.load', 0);
        code.setGlobal(step.rows);
        code.get(indices);
        code.setGlobal(step.indices);
        code.get(inputs);
        code.setGlobal(step.inputs);
        code.get(outputs);
        code.setGlobal(step.outputs);
        for (const kernel of kernels) code.call(kernel);
        code.get(indices);
        code.getGlobal(step.rows);
        code.i32(FLOAT_BYTES);
        code.op('i32.mul');
        code.op('i32.add');
        code.set(indices);
        advance(code, rows, FLOAT_BYTES);
        advance(code, inputs, program.inputs.length * FLOAT_BYTES);
        advance(code, outputs, program.outputs.length * FLOAT_BYTES);
      });
    },
    name,
  );
}
