/** The back ends that have to give the interpreter's bits, each in memory whose padding is not zero. */
import { isas } from '../../../../src/engine/codegen/x86/isa.ts';
import type { CreateExecutor } from '../../../../src/engine/kernels.ts';
import { detectIsas } from '../../../../src/native/cpu.ts';
import { createExecutor } from '../../../../src/native/executor.ts';
import { openMemory } from '../../../../src/native/memory.ts';
import { createPoisoned } from './poisoned.ts';

/** Machine code for every instruction set that this processor has; none where there is none. */
function nativeBackends(): Record<string, CreateExecutor> {
  if (process.arch !== 'x64' || !['linux', 'darwin'].includes(process.platform)) return {};
  const memory = openMemory();
  return Object.fromEntries(
    detectIsas(memory).map((isa) => [
      isas[isa].name,
      (plan, data, stepsMax, crew) =>
        createExecutor(memory, { isa, padding: Number.NaN }, plan, data, stepsMax, crew),
    ]),
  );
}

export const compiledBackends: Readonly<Record<string, CreateExecutor>> = {
  wasm: createPoisoned,
  ...nativeBackends(),
};
