/** The range of a kernel that a thread computes, as schedule.ts divides it. */
import type { Dim, Kernel } from '../../kernels.ts';
import { VIRTUAL_LANES } from '../../kernels.ts';
import type { Split } from '../../schedule.ts';
import type { Amount } from './amount.ts';
import { dimAmount, fixedAmount, samplesOf } from './amount.ts';
import type { Code, Func, Local } from './assembler.ts';
import type { Target } from './target.ts';

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
  const whole = wholeOf(target, code, kernel, split);
  /** ⌊count · (thread + next) / threads⌋ */
  const bound = (count: Amount, next: 0 | 1): void => {
    count.push();
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
    case 'samples':
    case 'columns':
      bound(whole, 0);
      bound(whole, 1);
      code.call(func);
      return;
    case 'rows': {
      const rows = whole.fixed ?? 0;
      const granules = fixedAmount(code, Math.ceil(rows / split.granule));
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
    case 'first':
      code.block(() => {
        code.get(thread);
        code.brIf(0);
        code.i32(0);
        whole.push();
        code.call(func);
      });
      return;
    default:
      split satisfies never;
  }
}

/** All of a kernel, in the units that its split divides: samples, fixed rows, or blocks of 16 columns. */
export function wholeOf(target: Target, code: Code, kernel: Kernel, split: Split): Amount {
  switch (split.by) {
    case 'samples':
      return samplesOf(target, code);
    case 'rows': {
      const rows = rowsOf(kernel);
      if (typeof rows !== 'number') throw new Error(`${kernel.label}: its rows are not fixed`);
      return fixedAmount(code, rows);
    }
    case 'columns':
    case 'first':
      return blocksOf(target, code, kernel);
    default:
      return split satisfies never;
  }
}

function rowsOf(kernel: Kernel): Dim {
  if (kernel.kind === 'gather') return 'batch';
  return kernel.kind === 'gemm' ? kernel.m : kernel.rows;
}

function blocksOf(target: Target, code: Code, kernel: Kernel): Amount {
  if (kernel.kind !== 'map') throw new Error(`${kernel.label}: only maps are divided by columns`);
  const columns = dimAmount(target, code, kernel.columns);
  if (columns.fixed !== null) return fixedAmount(code, Math.ceil(columns.fixed / VIRTUAL_LANES));
  return {
    fixed: null,
    push: () => {
      columns.push();
      code.i32(VIRTUAL_LANES - 1);
      code.op('i32.add');
      code.i32(VIRTUAL_LANES);
      code.op('i32.div_u');
    },
  };
}
