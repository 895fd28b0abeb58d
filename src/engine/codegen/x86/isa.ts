/** The two instruction sets that code is generated for. Everything else follows from these few numbers. */
import type { Assembler, VectorInstructions } from './assembler.ts';
import type { Length } from './vector-encoding.ts';

export type IsaName = 'avx2' | 'avx512';

export interface Isa {
  readonly name: IsaName;
  readonly length: Length;
  readonly lanes: number;
  readonly bytes: number;
  readonly registers: number;
}

export const isas: Readonly<Record<IsaName, Isa>> = {
  avx2: { name: 'avx2', length: 1, lanes: 8, bytes: 32, registers: 16 },
  /** F, VL and DQ. */
  avx512: { name: 'avx512', length: 2, lanes: 16, bytes: 64, registers: 32 },
};

export const vectorsOf = (asm: Assembler, isa: Isa): VectorInstructions =>
  isa.name === 'avx2' ? asm.ymm : asm.zmm;
