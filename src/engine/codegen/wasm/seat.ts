/** How another thread joins an executor: the same module in the same memory, as an instance of its own. */
import { z } from 'zod';
import type { TakeSeat } from '../../crew.ts';
import { failSync } from './barrier.ts';
import type { ProgramFunction } from './module.ts';
import type { WasmMemory, WasmModule } from './runtime.ts';
import { Instance } from './runtime.ts';

/** A seat of the wasm back end. */
export interface WasmSeat {
  readonly backend: 'wasm';
  readonly module: WasmModule;
  readonly memory: WasmMemory;
  /** Address of the barrier's words. */
  readonly sync: number;
  readonly [part: string]: unknown;
}

const wasmSeat: z.ZodType<WasmSeat> = z.looseObject({
  backend: z.literal('wasm'),
  module: z.custom<WasmModule>((value) => typeof value === 'object' && value !== null),
  memory: z.custom<WasmMemory>(
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      'buffer' in value &&
      value.buffer instanceof SharedArrayBuffer,
  ),
  sync: z.number(),
});

export const takeWasmSeat: TakeSeat = (seat, { thread }) => {
  const { module, memory, sync } = wasmSeat.parse(seat);
  const { exports } = new Instance(module, { env: { memory } });
  return {
    run: (program, call, active) => {
      try {
        (exports[program] as ProgramFunction)(thread, active, ...call);
      } catch (error) {
        failSync(new Int32Array(memory.buffer), sync);
        throw error;
      }
    },
  };
};
