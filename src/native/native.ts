/**
 * The native back end: machine code for this process's processor. Where it cannot serve (another processor or system,
 * no koffi, executable memory refused, a self-test that fails) opening it throws an Error that says why in one line.
 */
import type { IsaName } from '../engine/codegen/x86/isa.ts';
import type { Seat, TakeSeat } from '../engine/crew.ts';
import type { CreateExecutor } from '../engine/kernels.ts';
import { detectIsas } from './cpu.ts';
import { createExecutor } from './executor.ts';
import { openMemory } from './memory.ts';
import { abandonSeat, takeSeatIn } from './seat.ts';

export interface NativeBackend {
  readonly isa: IsaName;
  /** All that the processor has, best first. */
  readonly isas: readonly IsaName[];
  readonly create: CreateExecutor;
  readonly takeSeat: TakeSeat;
  /** Makes all threads of a seat give up at their next barrier: for when one of them has died. */
  abandon(seat: Seat): void;
}

export function openNative(): NativeBackend {
  if (process.arch !== 'x64') throw new Error(`no native code for ${process.arch}`);
  const memory = openMemory();
  const isas = detectIsas(memory);
  const [isa] = isas;
  if (isa === undefined) throw new Error('the processor or the system lacks AVX2');
  return {
    isa,
    isas,
    create: (plan, data, stepsMax, crew) => createExecutor(memory, { isa }, plan, data, stepsMax, crew),
    takeSeat: (seat, at) => takeSeatIn(memory, seat, at),
    abandon: (seat) => abandonSeat(memory, seat),
  };
}
