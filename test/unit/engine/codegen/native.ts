/** The native back end as this machine has it: an executor for each instruction set, none where it cannot serve. */
import type { CreateExecutor } from '../../../../src/engine/kernels.ts';
import { detectIsas } from '../../../../src/native/cpu.ts';
import { createExecutor } from '../../../../src/native/executor.ts';
import { openMemory } from '../../../../src/native/memory.ts';

type Backends = Readonly<Record<string, CreateExecutor>>;

function open(padding?: number): Backends {
  if (process.arch !== 'x64') return {};
  const memory = openMemory();
  return Object.fromEntries(
    detectIsas(memory).map((isa): [string, CreateExecutor] => [
      `native ${isa}`,
      (plan, data, stepsMax, crew) =>
        createExecutor(
          memory,
          padding === undefined ? { isa } : { isa, padding },
          plan,
          data,
          stepsMax,
          crew,
        ),
    ]),
  );
}

export const native: Backends = open();
/** In memory whose padding is NaN: what leaks from it into a result shows. */
export const poisonedNative: Backends = open(Number.NaN);
