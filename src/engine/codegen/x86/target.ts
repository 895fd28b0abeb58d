/** What the generators of all kernels share: the plan, the code being written, and where the step's state lies. */

import type { BufferId, BufferInfo, Dim, Plan } from '../../kernels.ts';
import { rowsPerSample } from '../../kernels.ts';
import { log2 } from '../log2.ts';
import type { Assembler, VectorInstructions } from './assembler.ts';
import type { Frame } from './frame.ts';
import type { Isa } from './isa.ts';
import type { Gp, Label, Mem } from './operands.ts';
import { r15, rax, rcx, rdx } from './operands.ts';

export const FLOAT_BYTES = 4;
/** A block: the 16 columns of the virtual machine. */
export const BLOCK_BYTES = 64;

/** Holds the arena's address throughout a program. */
export const ARENA: Gp = r15;

/** Words of the frame. All but `rows` and thread numbers are addresses. */
export interface StepSlots {
  readonly rows: Mem;
  readonly indices: Mem;
  readonly inputs: Mem;
  readonly outputs: Mem;
  readonly features: Mem;
  readonly targets: Mem;
  /** Of this thread alone: operands are packed into it. */
  readonly scratch: Mem;
  readonly thread: Mem;
  readonly threads: Mem;
  /** Samples of the step that are this thread's share. */
  readonly sampleFrom: Mem;
  readonly sampleTo: Mem;
}

export interface Target {
  readonly plan: Plan;
  readonly isa: Isa;
  readonly asm: Assembler;
  readonly v: VectorInstructions;
  readonly frame: Frame;
  readonly step: StepSlots;
  /** Rows of every step where that is known: code for full batches. Null: as the step says. */
  readonly rows: number | null;
  /** Kernels are divided among threads. */
  readonly threaded: boolean;
  /** Where a thread goes that gives up. */
  readonly abort: Label;
}

export function bufferOf({ plan }: Target, id: BufferId): BufferInfo {
  const found = plan.buffers[id];
  if (found === undefined) throw new Error(`no buffer ${id}`);
  return found;
}

/** Rows at most. */
export const capacityOf = ({ plan }: Target, d: Dim): number =>
  typeof d === 'number' ? d : plan.batchSize * (rowsPerSample(d) ?? 1);

/** Bytes from one row to the next within a panel, and from one panel to the next. */
export const rowBytes = ({ plan }: Target): number => plan.panel * FLOAT_BYTES;
export const panelBytes = (target: Target, b: BufferInfo): number => b.capacityRows * rowBytes(target);

/** Where block `block` of a matrix begins, from the start of the buffer, row 0. */
export function blockOffset(target: Target, capacityRows: number, block: number): number {
  const perPanel = rowBytes(target) / BLOCK_BYTES;
  const panel = Math.floor(block / perPanel);
  return panel * capacityRows * rowBytes(target) + (block - panel * perPanel) * BLOCK_BYTES;
}

/** register = arena + what blockOffset says of the block in a register; clobbers rax, rcx and rdx. */
export function pointAtBlock(target: Target, register: Gp, block: Gp, capacityRows: number): void {
  const { asm } = target;
  const line = rowBytes(target);
  const perPanel = line / BLOCK_BYTES;
  if (perPanel === 1) asm.imulImmediate(register, block, capacityRows * line);
  else {
    asm.mov(rax, block);
    asm.op32('xor', rdx, rdx);
    asm.movImmediate(rcx, perPanel);
    asm.div(rcx);
    asm.imulImmediate(register, rax, capacityRows * line);
    asm.shift('shl', rdx, log2(BLOCK_BYTES));
    asm.op('add', register, rdx);
  }
  asm.op('add', register, ARENA);
}
