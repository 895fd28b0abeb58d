/**
 * The native back end: machine code for this process's processor. Where it cannot serve (another processor or system,
 * no koffi, executable memory refused, a self-test that fails) opening it throws an Error that says why in one line.
 */
import type { IsaName } from '../engine/codegen/x86/isa.ts';
import type { Seat, TakeSeat } from '../engine/crew.ts';
import type { CreateExecutor } from '../engine/kernels.ts';
import { detectIsas } from './cpu.ts';
import { createExecutor } from './executor.ts';
import { createCodeCache } from './loaded-code.ts';
import type { NativeMemory } from './memory.ts';
import { openMemory } from './memory.ts';
import { abandonSeat, takeSeatIn } from './seat.ts';
import { selfTest } from './self-test.ts';

/** Code that a thread keeps for plans to come: a small network's is some 50 KB. */
const CODE_BYTES_MAX = 32 * 1024 ** 2;

export interface NativeBackend {
  readonly isa: IsaName;
  /** All that the processor has, best first. */
  readonly isas: readonly IsaName[];
  readonly create: CreateExecutor;
  readonly takeSeat: TakeSeat;
  /** Makes all threads of a seat give up at their next barrier: for when one of them has died. */
  abandon(seat: Seat): void;
}

export interface OpenNativeOptions {
  /** Another thread of this process has opened it before: what it found holds here. */
  readonly tested?: boolean;
  readonly memory?: NativeMemory;
}

export function openNative(options: OpenNativeOptions = {}): NativeBackend {
  if (process.arch !== 'x64') throw new Error(`no native code for ${process.arch}`);
  const { tested = false, memory = openMemory() } = options;
  const isas = detectIsas(memory);
  const [isa] = isas;
  if (isa === undefined) throw new Error('the processor or the system lacks AVX2');
  const parts = { memory, codes: createCodeCache(memory, isa, CODE_BYTES_MAX) };
  const create: CreateExecutor = (...plan) => createExecutor(parts, ...plan);
  if (!tested) selfTest(create);
  return {
    isa,
    isas,
    create,
    takeSeat: (seat, at) => takeSeatIn(memory, seat, at),
    abandon: (seat) => abandonSeat(memory, seat),
  };
}
