/** The native back end as this machine has it: an executor for each instruction set, none where it cannot serve. */
import type { CreateExecutor } from '../../../../src/engine/kernels.ts';
import { detectIsas } from '../../../../src/native/cpu.ts';
import { createExecutor } from '../../../../src/native/executor.ts';
import { createCodeCache } from '../../../../src/native/loaded-code.ts';
import { openMemory } from '../../../../src/native/memory.ts';

type Backends = Readonly<Record<string, CreateExecutor>>;

/** Little enough that code is loaded anew again and again. */
const CODE_BYTES_MAX = 2 ** 18;

function open(padding?: number): Backends {
  if (process.arch !== 'x64' || !['linux', 'darwin'].includes(process.platform)) return {};
  const memory = openMemory();
  return Object.fromEntries(
    detectIsas(memory).map((isa): [string, CreateExecutor] => {
      const codes = createCodeCache(memory, isa, CODE_BYTES_MAX);
      const parts = padding === undefined ? { memory, codes } : { memory, codes, padding };
      return [`native ${isa}`, (...plan) => createExecutor(parts, ...plan)];
    }),
  );
}

export const native: Backends = open();
/** In memory whose padding is NaN: what leaks from it into a result shows. */
export const poisonedNative: Backends = open(Number.NaN);
