/** The machine code of a plan: one piece, with an entry for each program. It does not depend on where it lies. */
import type { Kernel, Plan, ProgramName } from '../../kernels.ts';
import { createAssembler } from './assembler.ts';
import { packedBlockBytes } from './pack.ts';
import type { CodeOptions } from './program.ts';
import { emitProgram } from './program.ts';
import { columnGroups } from './tiling.ts';

export interface PlanCode {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where each program begins, in bytes. */
  readonly entries: Readonly<Record<ProgramName, number>>;
  /** Scratch that each thread needs, in bytes: a multiple of 64. */
  readonly scratchBytes: number;
}

/** Matrices are addressed by 32 bits. */
const ARENA_BYTES_MAX = 2 ** 31 - 2 ** 20;

/** Throws RangeError for a plan that is too large, or has a kernel too wide for the registers. */
export function emitPlan(plan: Plan, options: CodeOptions): PlanCode {
  if (plan.arenaBytes > ARENA_BYTES_MAX) throw new RangeError(`an arena of ${plan.arenaBytes} bytes`);
  const asm = createAssembler();
  const entries = { train: asm.label(), evaluate: asm.label(), predict: asm.label() };
  const names = ['train', 'evaluate', 'predict'] as const;
  for (const name of names) emitProgram(asm, plan, plan.programs[name], options, entries[name]);
  const kernels = names.flatMap((name) => plan.programs[name].kernels);
  const bytes = asm.finish();
  return {
    bytes,
    entries: {
      train: entries.train.position,
      evaluate: entries.evaluate.position,
      predict: entries.predict.position,
    },
    scratchBytes: Math.max(0, ...kernels.map((k) => scratchBytes(plan, options, k))),
  };
}

function scratchBytes(plan: Plan, { isa }: CodeOptions, kernel: Kernel): number {
  if (kernel.kind !== 'gemm' || !kernel.bTransposed) return 0;
  if (typeof kernel.k !== 'number' || typeof kernel.n !== 'number') return 0;
  const groups = columnGroups(isa, kernel.n, plan.panel === 16);
  return Math.max(...groups.map((g) => g.blocks)) * packedBlockBytes(kernel.k);
}
