/**
 * Runs a plan as WebAssembly: in the memory of its dataset's tables, in a slot that holds the plan's buffers, the code's
 * constants, the threads' scratch and barrier, and the tables of the current call. Compiled code checks nothing, so
 * everything is checked here first.
 */
import type { Crew } from '../../crew.ts';
import type { BufferInfo, CreateExecutor, Executor, Plan, Program } from '../../kernels.ts';
import { checkBatch, checkData } from '../batch.ts';
import { fillBuffers, readBuffer, readTransposed, writeBuffer } from '../buffer-runs.ts';
import { failSync, resetSync, SYNC_BYTES } from './barrier.ts';
import type { CallArguments, ProgramFunction } from './module.ts';
import { CALL_ARGUMENTS } from './module.ts';
import type { CompiledPlan, ModuleCache } from './modules.ts';
import { Instance } from './runtime.ts';
import type { WasmSeat } from './seat.ts';
import type { ResidentTables } from './tables.ts';
import { tablesOf } from './tables.ts';

const ALIGNMENT = 64;
const FLOAT_BYTES = 4;

/**
 * Executors share the tables of data that loadTables returned; other data gets a memory of its own. They throw
 * RangeError where plan and data do not fit into 4 GiB.
 */
export function createWasmBackend(modules: ModuleCache): CreateExecutor {
  return (plan, data, stepsMax, crew) => {
    checkData(plan, data);
    const compiled = modules.of(plan);
    const { byteLength } = placeRegions(plan, stepsMax, compiled, crew?.threads ?? 1);
    return createWasmIn(tablesOf(data, byteLength), compiled, plan, stepsMax, crew);
  };
}

/** The same in given tables, with a plan that is compiled. */
export function createWasmIn(
  tables: ResidentTables,
  compiled: CompiledPlan,
  plan: Plan,
  stepsMax: number,
  crew?: Crew,
): Executor {
  checkData(plan, tables.data);
  const threads = crew?.threads ?? 1;
  const { memory, features, targets } = tables;
  const regions = placeRegions(plan, stepsMax, compiled, threads);
  const slot = tables.take(regions.byteLength);
  const floats = new Float32Array(memory.buffer);
  const ints = new Int32Array(memory.buffer);
  const at = (region: number): number => slot.address + region;
  const word = (region: number): number => at(region) / FLOAT_BYTES;
  ints.set(compiled.tables, word(regions.arena + plan.arenaBytes));
  const arena = floats.subarray(word(regions.arena), word(regions.arena + plan.arenaBytes));
  fillBuffers(plan, arena);
  const { exports } = new Instance(compiled.module, { env: { memory } });
  const fixed: Omit<CallArguments, 'steps'> = {
    sync: at(regions.sync),
    arena: at(regions.arena),
    scratch: at(regions.scratch),
    indices: at(regions.indices),
    rows: at(regions.rows),
    inputs: at(regions.inputs),
    outputs: at(regions.outputs),
    features,
    targets,
  };
  const seat: WasmSeat = { backend: 'wasm', module: compiled.module, memory, sync: fixed.sync };
  crew?.attach(seat);
  let disposed = false;

  const bufferOf = (id: number): BufferInfo => {
    const found = plan.buffers[id];
    if (found === undefined) throw new RangeError(`no buffer ${id}`);
    return found;
  };

  return {
    backend: 'wasm',
    run(program, batch) {
      checkBatch(plan, program, batch, { rows: tables.rows, stepsMax });
      const steps = batch.rows.length;
      ints.set(batch.indices, fixed.indices / FLOAT_BYTES);
      ints.set(batch.rows, fixed.rows / FLOAT_BYTES);
      floats.set(batch.inputs, fixed.inputs / FLOAT_BYTES);
      const first = fixed.outputs / FLOAT_BYTES;
      const end = first + steps * plan.programs[program].outputs.length;
      floats.fill(0, first, end);
      const given: CallArguments = { ...fixed, steps };
      const call = CALL_ARGUMENTS.map((name) => given[name]);
      const run = exports[program] as ProgramFunction;
      const active = crew?.active ?? 1;
      if (crew === undefined || active === 1) run(0, 1, ...call);
      else {
        resetSync(ints, fixed.sync);
        crew.begin(program, call);
        try {
          run(0, active, ...call);
        } catch (error) {
          failSync(ints, fixed.sync);
          crew.finish();
          throw error;
        }
        crew.finish();
      }
      return floats.slice(first, end);
    },
    read: (id, into) => readBuffer(plan, bufferOf(id), arena, into),
    readTransposed: (id, into, filled) => readTransposed(plan, bufferOf(id), arena, into, filled),
    write: (id, values) => writeBuffer(plan, bufferOf(id), arena, values),
    dispose() {
      if (disposed) return;
      disposed = true;
      crew?.detach();
      slot.release();
    },
  };
}

/** The parts of an executor's slot, in bytes from its start. The arena comes first. */
function placeRegions(plan: Plan, stepsMax: number, compiled: CompiledPlan, threads: number) {
  let end = 0;
  const place = (bytes: number): number => {
    const at = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    end = at + bytes;
    return at;
  };
  const widest = (of: (p: Program) => number): number => Math.max(...Object.values(plan.programs).map(of));
  const regions = {
    arena: place(plan.arenaBytes + compiled.tables.length * FLOAT_BYTES),
    scratch: place(compiled.scratchBytes * threads),
    sync: place(SYNC_BYTES),
    indices: place(stepsMax * plan.batchSize * FLOAT_BYTES),
    rows: place(stepsMax * FLOAT_BYTES),
    inputs: place(stepsMax * widest((p) => p.inputs.length) * FLOAT_BYTES),
    outputs: place(stepsMax * widest((p) => p.outputs.length) * FLOAT_BYTES),
  };
  return { ...regions, byteLength: end };
}
