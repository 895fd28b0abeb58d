/**
 * A loop of separate multiplications and additions on independent registers of the widest vectors; nothing is read or
 * written in it.
 */
import { createAssembler } from '../../src/engine/codegen/x86/assembler.ts';
import { type IsaName, isas, vectorsOf } from '../../src/engine/codegen/x86/isa.ts';
import { rdi } from '../../src/engine/codegen/x86/operands.ts';
import { detectIsas } from '../../src/native/cpu.ts';
import { openMemory } from '../../src/native/memory.ts';

/** More than the latency of an addition times the additions a cycle, on any processor. */
const ACCUMULATORS = 10;
const PRODUCTS = 4;
const REPEATS = 8;
const FACTOR = ACCUMULATORS + PRODUCTS;
const ONE = 0x3f800000;

/** (turns): so many turns of the loop; `flops` is what one turn does. */
export function emitRoof(name: IsaName): { bytes: Uint8Array<ArrayBuffer>; flops: number } {
  const isa = isas[name];
  const asm = createAssembler();
  const v = vectorsOf(asm, isa);
  const one = asm.constant(new Array<number>(16).fill(ONE));
  for (let r = 0; r <= FACTOR; r++) v.two('vmovups', r, one);
  const turn = asm.label();
  asm.align(64);
  asm.bind(turn);
  for (let i = 0; i < REPEATS * ACCUMULATORS; i++) {
    const product = ACCUMULATORS + (i % PRODUCTS);
    const sum = i % ACCUMULATORS;
    v.three('vmulps', product, FACTOR, FACTOR);
    v.three('vaddps', sum, sum, product);
  }
  asm.opImmediate('sub', rdi, 1);
  asm.jcc('ne', turn);
  asm.vzeroupper();
  asm.ret();
  return { bytes: asm.finish(), flops: 2 * REPEATS * ACCUMULATORS * isa.lanes };
}

/** Throws an Error that says in one line why there is no native code here. `run` does so many turns. */
export function openRoof(): { isa: IsaName; flopsPerTurn: number; run(turns: number): void } {
  if (process.arch !== 'x64') throw new Error(`no native code for ${process.arch}`);
  const memory = openMemory();
  const [isa] = detectIsas(memory);
  if (isa === undefined) throw new Error('the processor or the system lacks AVX2');
  const { bytes, flops } = emitRoof(isa);
  const loop = memory.function(memory.load(bytes).address);
  return { isa, flopsPerTurn: flops, run: (turns) => void loop(turns, 0, 0) };
}
