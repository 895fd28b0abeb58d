/**
 * Runs a plan as x86-64 machine code. One mapping holds, one after another: the plan's arena, the tables of the current
 * call, what threads share, and each thread's scratch. Compiled code checks nothing, so everything is checked here first.
 */
import { checkBatch, checkData } from '../engine/codegen/batch.ts';
import { fillBuffers, readBuffer, readTransposed, writeBuffer } from '../engine/codegen/buffer-runs.ts';
import { SYNC } from '../engine/codegen/x86/barrier.ts';
import type { CallWord } from '../engine/codegen/x86/program.ts';
import { CALL_WORDS } from '../engine/codegen/x86/program.ts';
import type { Crew } from '../engine/crew.ts';
import type { BufferInfo, Executor, Plan, Program, ResidentData } from '../engine/kernels.ts';
import type { CodeCache } from './loaded-code.ts';
import type { NativeMemory } from './memory.ts';
import { seatOf } from './seat.ts';

const FLOAT_BYTES = 4;
const WORD_BYTES = 8;
const ALIGNMENT = 64;

export interface NativeParts {
  readonly memory: NativeMemory;
  readonly codes: CodeCache;
  /** What memory is filled with before buffers get their values: tests poison the padding. */
  readonly padding?: number;
}

/** Throws RangeError where the plan does not suit machine code. */
export function createExecutor(
  { memory, codes, padding }: NativeParts,
  plan: Plan,
  data: ResidentData,
  stepsMax: number,
  crew?: Crew,
): Executor {
  checkData(plan, data);
  const threads = crew?.threads ?? 1;
  const code = codes.hold(plan, threads > 1);
  const regions = placeRegions(plan, stepsMax, code.scratchBytes * threads);
  const features = residentTable(memory, data.features);
  const targets = residentTable(memory, data.targets);
  const pages = memory.allocate(regions.end);

  const floats = new Float32Array(pages.bytes);
  const ints = new Int32Array(pages.bytes);
  const words = new BigInt64Array(pages.bytes, regions.call, CALL_WORDS.length);
  if (padding !== undefined) {
    floats.fill(padding, 0, plan.arenaBytes / FLOAT_BYTES);
    for (const b of plan.buffers) writeBuffer(plan, b, floats, readBuffer(plan, b, floats).fill(0));
  }
  fillBuffers(plan, floats);
  const addresses: Readonly<Record<Exclude<CallWord, 'steps'>, bigint>> = {
    arena: pages.address,
    indices: pages.address + BigInt(regions.indices),
    rows: pages.address + BigInt(regions.rows),
    inputs: pages.address + BigInt(regions.inputs),
    outputs: pages.address + BigInt(regions.outputs),
    features: features.address,
    targets: targets.address,
    sync: pages.address + BigInt(regions.sync),
    scratch: pages.address + BigInt(regions.scratch),
    scratchBytes: BigInt(code.scratchBytes),
  };
  for (const [i, name] of CALL_WORDS.entries()) if (name !== 'steps') words[i] = addresses[name];
  const stepsWord = CALL_WORDS.indexOf('steps');
  const call = pages.address + BigInt(regions.call);
  const abort = new Int32Array(pages.bytes, regions.sync + SYNC.abort, 1);
  crew?.attach(
    seatOf({ call, entries: code.entries, abort: pages.address + BigInt(regions.sync + SYNC.abort) }),
  );

  let disposed = false;
  /** The memory is unmapped then: to touch it would end the process. */
  const use = (): void => {
    if (disposed) throw new Error('the executor is disposed of');
  };
  const bufferOf = (id: number): BufferInfo => {
    use();
    const found = plan.buffers[id];
    if (found === undefined) throw new RangeError(`no buffer ${id}`);
    return found;
  };
  return {
    backend: 'native',
    run(program, batch) {
      use();
      checkBatch(plan, program, batch, { rows: data.rows, stepsMax });
      const steps = batch.rows.length;
      ints.set(batch.indices, regions.indices / FLOAT_BYTES);
      ints.set(batch.rows, regions.rows / FLOAT_BYTES);
      floats.set(batch.inputs, regions.inputs / FLOAT_BYTES);
      const first = regions.outputs / FLOAT_BYTES;
      const end = first + steps * plan.programs[program].outputs.length;
      floats.fill(0, first, end);
      words[stepsWord] = BigInt(steps);
      ints[(regions.sync + SYNC.arrived) / FLOAT_BYTES] = 0;
      const active = crew?.active ?? 1;
      if (active > 1) crew?.begin(program, []);
      const gaveUp = code.functions[program](call, 0, active);
      if (gaveUp !== 0) abort[0] = 1;
      if (active > 1) crew?.finish();
      if (gaveUp !== 0) throw new Error('threads did not meet: the executor was given up');
      return floats.slice(first, end);
    },
    read: (id, into) => readBuffer(plan, bufferOf(id), floats, into),
    readTransposed: (id, into, filled) => readTransposed(plan, bufferOf(id), floats, into, filled),
    write: (id, values) => writeBuffer(plan, bufferOf(id), floats, values),
    dispose() {
      if (disposed) return;
      disposed = true;
      crew?.detach();
      for (const each of [pages, features, targets]) each.free();
      code.release();
    },
  };
}

interface Table {
  readonly address: bigint;
  free(): void;
}

/** Shared memory is read where it is; anything else might change or go, and is copied. */
function residentTable(memory: NativeMemory, values: ResidentData['features']): Table {
  if (values.buffer instanceof SharedArrayBuffer && values.length > 0) {
    // Held here so that it lives as long as the table.
    const held = { values };
    return { address: memory.addressOf(held.values), free: () => void held.values };
  }
  const pages = memory.allocate(values.byteLength);
  new Uint8Array(pages.bytes).set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return pages;
}

function placeRegions(plan: Plan, stepsMax: number, scratchBytes: number) {
  let end = plan.arenaBytes;
  const place = (bytes: number): number => {
    const at = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    end = at + bytes;
    return at;
  };
  const widest = (of: (p: Program) => number): number => Math.max(...Object.values(plan.programs).map(of));
  const regions = {
    indices: place(stepsMax * plan.batchSize * FLOAT_BYTES),
    rows: place(stepsMax * FLOAT_BYTES),
    inputs: place(stepsMax * widest((p) => p.inputs.length) * FLOAT_BYTES),
    outputs: place(stepsMax * widest((p) => p.outputs.length) * FLOAT_BYTES),
    call: place(CALL_WORDS.length * WORD_BYTES),
    sync: place(SYNC.bytes),
    scratch: place(scratchBytes),
  };
  return { ...regions, end: Math.ceil(end / ALIGNMENT) * ALIGNMENT };
}
