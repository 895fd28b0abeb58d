/** Which instruction sets the processor and the operating system support. */
import { emitCpuid, emitXgetbv, supportedIsas } from '../engine/codegen/x86/cpu-code.ts';
import type { IsaName } from '../engine/codegen/x86/isa.ts';
import type { NativeMemory } from './memory.ts';

const ANSWER_BYTES = 16;

/** Best first; empty if none will do. */
export function detectIsas(memory: NativeMemory): IsaName[] {
  const cpuid = memory.load(emitCpuid());
  const xgetbv = memory.load(emitXgetbv());
  const answer = memory.allocate(ANSWER_BYTES);
  try {
    const words = new Int32Array(answer.bytes, 0, 4);
    const ask = memory.function(cpuid.address);
    return supportedIsas({
      cpuid(leaf, subleaf) {
        ask(leaf, subleaf, answer.address);
        const [eax = 0, ebx = 0, ecx = 0, edx = 0] = words;
        return [eax, ebx, ecx, edx];
      },
      xcr0: () => memory.function(xgetbv.address)(0, 0, 0),
    });
  } finally {
    for (const pages of [cpuid, xgetbv, answer]) pages.free();
  }
}
