/** How another thread of the process takes part in a native executor: all it needs is addresses. */
import { z } from 'zod';
import type { Member, Seat } from '../engine/crew.ts';
import type { ProgramName } from '../engine/kernels.ts';
import type { NativeMemory } from './memory.ts';

export const PROGRAMS = ['train', 'evaluate', 'predict'] as const satisfies readonly ProgramName[];

const seatSchema = z.object({
  backend: z.literal('native'),
  /** The words of a call. */
  call: z.bigint(),
  /** A 32-bit word that makes every thread give up once it is not 0. */
  abort: z.bigint(),
  entries: z.object({ train: z.bigint(), evaluate: z.bigint(), predict: z.bigint() }),
});

export const seatOf = (at: Omit<z.infer<typeof seatSchema>, 'backend'>): Seat => ({
  backend: 'native',
  ...at,
});

export function takeSeatIn(
  memory: NativeMemory,
  seat: Seat,
  { thread }: { readonly thread: number },
): Member {
  const { call, entries } = seatSchema.parse(seat);
  const functions = { train: entries.train, evaluate: entries.evaluate, predict: entries.predict };
  const ready = PROGRAMS.map((name) => [name, memory.function(functions[name])] as const);
  return {
    run(program, _, active) {
      const run = ready.find(([name]) => name === program)?.[1];
      if (run === undefined) throw new Error(`no program ${program}`);
      if (run(call, thread, active) !== 0) throw new Error('threads did not meet');
    },
  };
}

/** Makes all threads of a seat give up at their next barrier: for when one of them has died. */
export function abandonSeat(memory: NativeMemory, seat: Seat): void {
  memory.writeInt32(seatSchema.parse(seat).abort, 1);
}
