/** The functions that ask the processor what it can do, and what their answers mean. Intel SDM volume 2, CPUID. */
import { createAssembler } from './assembler.ts';
import type { IsaName } from './isa.ts';
import { at, r8, rax, rbx, rcx, rdi, rdx, rsi } from './operands.ts';

/** (leaf, subleaf, address): stores eax, ebx, ecx and edx of CPUID there. */
export function emitCpuid(): Uint8Array<ArrayBuffer> {
  const asm = createAssembler();
  asm.push(rbx);
  asm.mov(r8, rdx);
  asm.mov(rax, rdi);
  asm.mov(rcx, rsi);
  asm.cpuid();
  for (const [i, register] of [rax, rbx, rcx, rdx].entries()) asm.mov32(at(r8, i * 4), register);
  asm.pop(rbx);
  asm.ret();
  return asm.finish();
}

/** () → the low half of XCR0. Only where CPUID says OSXSAVE. */
export function emitXgetbv(): Uint8Array<ArrayBuffer> {
  const asm = createAssembler();
  asm.op32('xor', rcx, rcx);
  asm.xgetbv();
  asm.ret();
  return asm.finish();
}

export interface CpuWords {
  /** Registers of a leaf: eax, ebx, ecx, edx. */
  cpuid(leaf: number, subleaf: number): readonly [number, number, number, number];
  xcr0(): number;
}

const has = (word: number, bit: number): boolean => ((word >>> bit) & 1) === 1;
const OSXSAVE = 27;
const AVX = 28;
const AVX2 = 5;
const AVX512F = 16;
const AVX512DQ = 17;
const AVX512VL = 31;
/** State that the operating system saves: xmm and ymm; with masks and zmm. */
const YMM_STATE = 0x06;
const ZMM_STATE = 0xe6;

/** The instruction sets that processor and operating system both support, best first. */
export function supportedIsas(cpu: CpuWords): IsaName[] {
  const [leaves] = cpu.cpuid(0, 0);
  if (leaves < 7) return [];
  const [, , features] = cpu.cpuid(1, 0);
  if (!has(features, OSXSAVE) || !has(features, AVX)) return [];
  const state = cpu.xcr0();
  const [, extended] = cpu.cpuid(7, 0);
  if ((state & YMM_STATE) !== YMM_STATE || !has(extended, AVX2)) return [];
  const wide = [AVX512F, AVX512DQ, AVX512VL].every((bit) => has(extended, bit));
  return wide && (state & ZMM_STATE) === ZMM_STATE ? ['avx512', 'avx2'] : ['avx2'];
}
