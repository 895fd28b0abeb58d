/**
 * A plan's AVX-512 code on an emulated processor, as an executor: the emulator starts anew for each run. Everything the
 * code reads or writes is a region of its own between pages that are not there, its start or its end at the very edge.
 */
import { checkBatch, checkData } from '../../src/engine/codegen/batch.ts';
import {
  fillBuffers,
  readBuffer,
  readTransposed,
  writeBuffer,
} from '../../src/engine/codegen/buffer-runs.ts';
import { SYNC } from '../../src/engine/codegen/x86/barrier.ts';
import { isas } from '../../src/engine/codegen/x86/isa.ts';
import { emitPlan } from '../../src/engine/codegen/x86/plan-code.ts';
import type { CallWord } from '../../src/engine/codegen/x86/program.ts';
import { CALL_WORDS } from '../../src/engine/codegen/x86/program.ts';
import type { BufferInfo, CreateExecutor } from '../../src/engine/kernels.ts';
import type { Region } from './emulator.ts';
import { emulate, REGIONS_FROM } from './emulator.ts';
import type { Access } from './paging.ts';
import { PAGE_BYTES } from './paging.ts';

export interface EmulatedOptions {
  /** Code that divides kernels among threads, although there is one. */
  readonly threaded: boolean;
  /** Which end of a region has no padding. */
  readonly edge: 'start' | 'end';
}

/** Of arena and scratch, as the code expects it; tables may lie on any float. */
const BLOCK_BYTES = 64;
const WORD_BYTES = 8;
const FLOAT_BYTES = 4;

export function createEmulated({ threaded, edge }: EmulatedOptions): CreateExecutor {
  return (plan, data, stepsMax) => {
    checkData(plan, data);
    const code = emitPlan(plan, { isa: isas.avx512, threaded, yields: false });
    const arena = new Float32Array(plan.arenaBytes / FLOAT_BYTES).fill(Number.NaN);
    for (const b of plan.buffers) writeBuffer(plan, b, arena, readBuffer(plan, b, arena).fill(0));
    fillBuffers(plan, arena);
    const bufferOf = (id: number): BufferInfo => {
      const found = plan.buffers[id];
      if (found === undefined) throw new RangeError(`no buffer ${id}`);
      return found;
    };
    return {
      backend: 'native',
      run(program, batch) {
        checkBatch(plan, program, batch, { rows: data.rows, stepsMax });
        const steps = batch.rows.length;
        const outputs = new Float32Array(steps * plan.programs[program].outputs.length);
        const { place, regions } = createLayout(edge);
        const machineCode = place(code.bytes, 'execute', BLOCK_BYTES);
        const at: Readonly<Record<Exclude<CallWord, 'steps' | 'scratchBytes'>, Region>> = {
          arena: place(arena, 'write', BLOCK_BYTES),
          outputs: place(outputs, 'write', FLOAT_BYTES),
          indices: place(batch.indices, 'read', FLOAT_BYTES),
          rows: place(batch.rows, 'read', FLOAT_BYTES),
          inputs: place(batch.inputs, 'read', FLOAT_BYTES),
          features: place(data.features, 'read', FLOAT_BYTES),
          targets: place(data.targets, 'read', FLOAT_BYTES),
          sync: place(new Uint8Array(SYNC.bytes), 'write', BLOCK_BYTES),
          scratch: place(new Uint8Array(code.scratchBytes).fill(0xff), 'write', BLOCK_BYTES),
        };
        const numbers = { steps, scratchBytes: code.scratchBytes };
        const words = BigInt64Array.from(
          CALL_WORDS.map((name) =>
            BigInt(name === 'steps' || name === 'scratchBytes' ? numbers[name] : at[name].address),
          ),
        );
        const call = place(words, 'read', WORD_BYTES);
        const { returned, after } = emulate({
          regions,
          entry: machineCode.address + code.entries[program],
          arguments: [call.address, 0, 1],
        });
        if (returned !== 0n) throw new Error(`the program gave up: ${returned}`);
        arena.set(new Float32Array(after(at.arena).buffer));
        outputs.set(new Float32Array(after(at.outputs).buffer));
        return outputs;
      },
      read: (id) => readBuffer(plan, bufferOf(id), arena),
      readTransposed: (id, into) => readTransposed(plan, bufferOf(id), arena, into),
      write: (id, values) => writeBuffer(plan, bufferOf(id), arena, values),
      dispose: () => undefined,
    };
  };
}

/** Regions one after another, with a page that is not there between them. */
function createLayout(edge: 'start' | 'end') {
  const regions: Region[] = [];
  let next = REGIONS_FROM;
  return {
    regions,
    place(contents: ArrayBufferView, access: Access, alignment: number): Region {
      const bytes = new Uint8Array(contents.buffer, contents.byteOffset, contents.byteLength);
      const pages = Math.ceil(bytes.length / PAGE_BYTES) * PAGE_BYTES;
      const slack = edge === 'start' ? 0 : pages - Math.ceil(bytes.length / alignment) * alignment;
      const region = { address: next + slack, bytes, access };
      next += pages + PAGE_BYTES;
      regions.push(region);
      return region;
    },
  };
}
