/** The range of a kernel that a thread computes, as schedule.ts divides it. */
import type { Kernel } from '../../kernels.ts';
import { VIRTUAL_LANES } from '../../kernels.ts';
import type { Split } from '../../schedule.ts';
import type { Code, Func, Local } from './assembler.ts';
import type { Target } from './target.ts';
import { pushDim } from './target.ts';

export interface ThreadLocals {
  readonly thread: Local;
  readonly threads: Local;
}

/** Calls a kernel with this thread's range of it. */
export function emitShare(
  target: Target,
  code: Code,
  { thread, threads }: ThreadLocals,
  { kernel, split, func }: { readonly kernel: Kernel; readonly split: Split; readonly func: Func },
): void {
  /** ⌊count · (thread + next) / threads⌋ */
  const bound = (count: () => void, next: 0 | 1): void => {
    count();
    code.get(thread);
    if (next === 1) {
      code.i32(1);
      code.op('i32.add');
    }
    code.op('i32.mul');
    code.get(threads);
    code.op('i32.div_u');
  };
  switch (split.by) {
    case 'samples': {
      const samples = (): void => code.getGlobal(target.step.rows);
      bound(samples, 0);
      bound(samples, 1);
      code.call(func);
      return;
    }
    case 'rows': {
      const rows = fixedRows(kernel);
      const granules = (): void => code.i32(Math.ceil(rows / split.granule));
      const end = code.local('i32');
      const scaled = (next: 0 | 1): void => {
        bound(granules, next);
        code.i32(split.granule);
        code.op('i32.mul');
      };
      scaled(0);
      scaled(1);
      code.tee(end);
      code.i32(rows);
      code.get(end);
      code.i32(rows);
      code.op('i32.lt_u');
      code.op('select');
      code.call(func);
      return;
    }
    case 'columns':
      bound(() => pushBlocks(target, code, kernel), 0);
      bound(() => pushBlocks(target, code, kernel), 1);
      code.call(func);
      return;
    case 'first':
      code.block(() => {
        code.get(thread);
        code.brIf(0);
        code.i32(0);
        pushBlocks(target, code, kernel);
        code.call(func);
      });
      return;
    default:
      split satisfies never;
  }
}

function fixedRows(kernel: Kernel): number {
  const rows = kernel.kind === 'gather' ? 'batch' : kernel.kind === 'gemm' ? kernel.m : kernel.rows;
  if (typeof rows !== 'number') throw new Error(`${kernel.label}: its rows are not fixed`);
  return rows;
}

/** Pushes the number of blocks of 16 columns. */
function pushBlocks(target: Target, code: Code, kernel: Kernel): void {
  if (kernel.kind !== 'map') throw new Error(`${kernel.label}: only maps are divided by columns`);
  if (typeof kernel.columns === 'number') {
    code.i32(Math.ceil(kernel.columns / VIRTUAL_LANES));
    return;
  }
  pushDim(target, code, kernel.columns);
  code.i32(VIRTUAL_LANES - 1);
  code.op('i32.add');
  code.i32(VIRTUAL_LANES);
  code.op('i32.div_u');
}
