/**
 * Runs a plan as WebAssembly. One memory holds, one after another: the plan's arena and scratch, the resident tables,
 * and the tables of the current call. Compiled code checks nothing, so everything is checked here first.
 */
import type { BufferInfo, CreateExecutor, Executor, Plan, Program, ResidentData } from '../../kernels.ts';
import { rowsPerSample } from '../../kernels.ts';
import { checkBatch, checkData } from '../batch.ts';
import type { ProgramArguments, ProgramFunction } from './module.ts';
import { emitModule, PROGRAM_ARGUMENTS } from './module.ts';
import type { WasmMemory } from './runtime.ts';
import { Instance, Memory, Module } from './runtime.ts';

const PAGE_BYTES = 65536;
const PAGES_MAX = 65536;
const ALIGNMENT = 64;
const FLOAT_BYTES = 4;

/** Throws RangeError where plan and data do not fit into 4 GiB. */
export const createWasm: CreateExecutor = (plan, data, stepsMax) =>
  createWasmIn((pages) => new Memory({ initial: pages, maximum: pages }), plan, data, stepsMax);

/** The same in a memory of the caller's making, with at least the given number of pages; padding is left as it is. */
export function createWasmIn(
  allocate: (pages: number) => WasmMemory,
  plan: Plan,
  data: ResidentData,
  stepsMax: number,
): Executor {
  checkData(plan, data);
  const { bytes, tables, scratchBytes } = emitModule(plan);
  const regions = placeTables(plan, data, stepsMax, { tables: tables.length, scratchBytes });
  const pages = Math.max(1, Math.ceil(regions.end / PAGE_BYTES));
  if (pages > PAGES_MAX) throw new RangeError(`${regions.end} bytes of memory wanted, at most 4 GiB`);
  const memory = allocate(pages);
  const instance = new Instance(new Module(bytes), { env: { memory } });
  const floats = new Float32Array(memory.buffer);
  const ints = new Int32Array(memory.buffer);
  floats.set(data.features, regions.features / FLOAT_BYTES);
  floats.set(data.targets, regions.targets / FLOAT_BYTES);
  ints.set(tables, plan.arenaBytes / FLOAT_BYTES);
  for (const b of plan.buffers) {
    if (b.fill !== 0) eachRun(plan, b, (at, _, count) => floats.fill(b.fill, at, at + count));
  }

  const bufferOf = (id: number): BufferInfo => {
    const found = plan.buffers[id];
    if (found === undefined) throw new RangeError(`no buffer ${id}`);
    return found;
  };

  return {
    backend: 'wasm',
    run(program, batch) {
      checkBatch(plan, program, batch, { rows: data.rows, stepsMax });
      const steps = batch.rows.length;
      ints.set(batch.indices, regions.indices / FLOAT_BYTES);
      ints.set(batch.rows, regions.rows / FLOAT_BYTES);
      floats.set(batch.inputs, regions.inputs / FLOAT_BYTES);
      const run = instance.exports[program] as ProgramFunction;
      const first = regions.outputs / FLOAT_BYTES;
      const end = first + steps * plan.programs[program].outputs.length;
      floats.fill(0, first, end);
      const given: ProgramArguments = { thread: 0, threads: 1, steps, arena: 0, ...regions };
      run(...PROGRAM_ARGUMENTS.map((name) => given[name]));
      return floats.slice(first, end);
    },
    read(id) {
      const b = bufferOf(id);
      const { rows, columns } = logicalShape(plan, b);
      const out = new Float32Array(rows * columns);
      eachRun(plan, b, (at, from, count) => out.set(floats.subarray(at, at + count), from));
      return out;
    },
    write(id, values) {
      const b = bufferOf(id);
      const { rows, columns } = logicalShape(plan, b);
      if (values.length !== rows * columns) {
        throw new RangeError(`${values.length} values for a buffer of ${rows * columns}`);
      }
      eachRun(plan, b, (at, from, count) => floats.set(values.subarray(from, from + count), at));
    },
    // The memory goes with the executor.
    dispose() {},
  };
}

const logicalShape = (plan: Plan, b: BufferInfo): { rows: number; columns: number } => ({
  rows: b.capacityRows,
  columns: typeof b.columns === 'number' ? b.columns : plan.batchSize * (rowsPerSample(b.columns) ?? 1),
});

/** Contiguous runs of a buffer: where each lies in memory and in row-major order, in floats, and how long it is. */
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

function placeTables(
  plan: Plan,
  data: ResidentData,
  stepsMax: number,
  own: { readonly tables: number; readonly scratchBytes: number },
) {
  let end = plan.arenaBytes + own.tables * FLOAT_BYTES;
  const place = (count: number): number => {
    const at = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    end = at + count * FLOAT_BYTES;
    return at;
  };
  const widest = (of: (p: Program) => number): number => Math.max(...Object.values(plan.programs).map(of));
  const tables = {
    scratch: place(own.scratchBytes / FLOAT_BYTES),
    features: place(data.features.length),
    targets: place(data.targets.length),
    indices: place(stepsMax * plan.batchSize),
    rows: place(stepsMax),
    inputs: place(stepsMax * widest((p) => p.inputs.length)),
    outputs: place(stepsMax * widest((p) => p.outputs.length)),
  };
  return { ...tables, end };
}
