/** Buffers in memory as plan and kernels.ts place them, seen as row-major arrays without padding. */
import type { BufferInfo, Filled, Plan } from '../kernels.ts';
import { rowsPerSample } from '../kernels.ts';

const FLOAT_BYTES = 4;

const logicalShape = (plan: Plan, b: BufferInfo): { rows: number; columns: number } => ({
  rows: b.capacityRows,
  columns: typeof b.columns === 'number' ? b.columns : plan.batchSize * (rowsPerSample(b.columns) ?? 1),
});

/** Contiguous runs of a buffer: where each lies in the arena and in row-major order, in floats, and how long it is. */
function eachRun(plan: Plan, b: BufferInfo, visit: (at: number, from: number, count: number) => void): void {
  const { rows, columns } = logicalShape(plan, b);
  const base = b.offset / FLOAT_BYTES;
  // A vector is one run, whatever the panel.
  const width = b.kind === 'vector' ? Math.max(columns, 1) : plan.panel;
  for (let first = 0; first < columns; first += width) {
    const panelStart = base + (first / width) * rows * width;
    const count = Math.min(width, columns - first);
    for (let r = 0; r < rows; r++) visit(panelStart + r * width, r * columns + first, count);
  }
}

/** A view of a shorter run costs more than its elements one by one: a state is read after each epoch. */
const VIEWED_MIN = 64;

/** `arena` starts where the plan's offsets count from. */
export function readBuffer(
  plan: Plan,
  b: BufferInfo,
  arena: Float32Array,
  into?: Float32Array,
): Float32Array {
  const { rows, columns } = logicalShape(plan, b);
  const out = into?.length === rows * columns ? into : new Float32Array(rows * columns);
  eachRun(plan, b, (at, from, count) => {
    if (count >= VIEWED_MIN) out.set(arena.subarray(at, at + count), from);
    else for (let i = 0; i < count; i++) out[from + i] = arena[at + i] ?? 0;
  });
  return out;
}

/** Rows that are turned at a time, so that what is read and what is written both stay in the cache. */
const TURNED_ROWS = 32;

/** A matrix, column by column, panel by panel as it lies. Throws RangeError unless `into` is of its length. */
export function readTransposed(
  plan: Plan,
  b: BufferInfo,
  arena: Float32Array,
  into: Float32Array,
  filled?: Filled,
): void {
  const { rows, columns } = logicalShape(plan, b);
  if (into.length !== rows * columns) {
    throw new RangeError(`${into.length} values for a buffer of ${rows * columns}`);
  }
  const width = plan.panel;
  for (let first = 0; first < columns; first += width) {
    const start = b.offset / FLOAT_BYTES + first * rows;
    const count = Math.min(width, columns - first);
    for (let top = 0; top < rows; top += TURNED_ROWS) {
      const bottom = Math.min(top + TURNED_ROWS, rows);
      for (let c = 0; c < count; c++) {
        const end = (first + c) * rows + bottom;
        let at = start + top * width + c;
        for (let to = (first + c) * rows + top; to < end; to++) {
          into[to] = arena[at] ?? 0;
          at += width;
        }
      }
    }
    filled?.((first + count) * rows);
  }
}

/** Throws RangeError on values of another length. */
export function writeBuffer(plan: Plan, b: BufferInfo, arena: Float32Array, values: Float32Array): void {
  const { rows, columns } = logicalShape(plan, b);
  if (values.length !== rows * columns) {
    throw new RangeError(`${values.length} values for a buffer of ${rows * columns}`);
  }
  eachRun(plan, b, (at, from, count) => arena.set(values.subarray(from, from + count), at));
}

/** What buffers hold before anything is written, in an arena of zeros. */
export function fillBuffers(plan: Plan, arena: Float32Array): void {
  for (const b of plan.buffers) {
    if (b.fill !== 0) eachRun(plan, b, (at, _, count) => arena.fill(b.fill, at, at + count));
  }
}
