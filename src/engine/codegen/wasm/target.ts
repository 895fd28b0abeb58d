/** What the code generators of all kernels share: the plan, the module being written, and how memory is laid out. */
import type { BufferId, BufferInfo, Plan } from '../../kernels.ts';
import type { Global, ModuleBuilder } from './assembler.ts';

export const FLOAT_BYTES = 4;
export const VECTOR_BYTES = 16;
export const VECTOR_LANES = 4;

/** The current step, as the loop over steps sets it. All but `rows` are addresses. */
export interface StepGlobals {
  /** Where the plan's buffers begin; their offsets count from here. */
  readonly arena: Global;
  /** Where this thread packs operands. */
  readonly scratch: Global;
  /** Samples of the step. */
  readonly rows: Global;
  readonly indices: Global;
  readonly inputs: Global;
  readonly outputs: Global;
  readonly features: Global;
  readonly targets: Global;
  /** The words of the threads' barrier, and how many threads there are. */
  readonly sync: Global;
  readonly threads: Global;
}

export interface Target {
  readonly plan: Plan;
  readonly module: ModuleBuilder;
  readonly step: StepGlobals;
  /** Where the code is for steps of one size only: their samples. */
  readonly samples: number | null;
  /** Keeps a table of integers beside the buffers; returns its offset from the arena's start in bytes. */
  table(values: readonly number[]): number;
}

export function bufferOf(target: Target, id: BufferId): BufferInfo {
  const found = target.plan.buffers[id];
  if (found === undefined) throw new Error(`no buffer ${id}`);
  return found;
}

/** Bytes from one row to the next within a panel, and from one panel to the next. */
export const rowBytes = (target: Target): number => target.plan.panel * FLOAT_BYTES;
export const panelBytes = (target: Target, buffer: BufferInfo): number =>
  buffer.capacityRows * rowBytes(target);
