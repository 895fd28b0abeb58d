/** What the code generators of all kernels share: the plan, the module being written, and how memory is addressed. */
import type { BufferId, BufferInfo, Dim, Plan, Source } from '../../kernels.ts';
import type { Code, Global, Local, ModuleBuilder } from './assembler.ts';

export const FLOAT_BYTES = 4;
export const VECTOR_BYTES = 16;
export const VECTOR_LANES = 4;

/** The current step, as the loop over steps sets it. All but `rows` are addresses. */
export interface StepGlobals {
  readonly rows: Global;
  readonly indices: Global;
  readonly inputs: Global;
  readonly outputs: Global;
  readonly features: Global;
  readonly targets: Global;
}

export interface Target {
  readonly plan: Plan;
  readonly module: ModuleBuilder;
  readonly step: StepGlobals;
  /** Address of the scratch that a transposed operand is packed into. */
  readonly scratch: number;
}

export function bufferOf(target: Target, id: BufferId): BufferInfo {
  const found = target.plan.buffers[id];
  if (found === undefined) throw new Error(`no buffer ${id}`);
  return found;
}

/** Pushes a dimension. */
export function pushDim(target: Target, code: Code, d: Dim): void {
  if (d === 'batch') code.getGlobal(target.step.rows);
  else code.i32(d);
}

/** Bytes from one row to the next within a panel, and from one panel to the next. */
export const rowBytes = (target: Target): number => target.plan.panel * FLOAT_BYTES;
export const panelBytes = (target: Target, buffer: BufferInfo): number =>
  buffer.capacityRows * rowBytes(target);

/** A group of four elements: byte offsets within matrices, column vectors and row vectors, each local + constant. */
export interface Place {
  readonly full: Local;
  readonly fullBytes: number;
  readonly col: Local;
  readonly colBytes: number;
  readonly row: Local;
  readonly rowBytes: number;
}

/** Pushes four elements of a source. */
export function pushSource(target: Target, code: Code, source: Source, at: Place): void {
  if (source.from === 'stepInput') {
    code.getGlobal(target.step.inputs);
    code.memory('v128.load32_splat', source.slot * FLOAT_BYTES);
    return;
  }
  const { offset } = bufferOf(target, source.buffer);
  if (source.extent === 'row') {
    code.get(at.row);
    code.memory('v128.load32_splat', offset + at.rowBytes);
  } else if (source.extent === 'col') {
    code.get(at.col);
    code.memory('v128.load', offset + at.colBytes);
  } else {
    code.get(at.full);
    code.memory('v128.load', offset + at.fullBytes);
  }
}
