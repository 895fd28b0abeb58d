/** The x86-64 assembler: bytes, general-purpose instructions and vector instructions of a chosen length. */
import type { CodeBytes } from './bytes.ts';
import { createCodeBytes } from './bytes.ts';
import type { General } from './general.ts';
import { createGeneral } from './general.ts';
import type { Gp, Mem, Vec } from './operands.ts';
import type { Length, Operands } from './vector-encoding.ts';
import { emitVector } from './vector-encoding.ts';
import * as opcodes from './vector-opcodes.ts';

export type ThreeOperand = keyof typeof opcodes.threeOperand;
export type ThreeOperandImmediate = keyof typeof opcodes.threeOperandImmediate;
export type TwoOperand = keyof typeof opcodes.twoOperand;
export type TwoOperandImmediate = keyof typeof opcodes.twoOperandImmediate;

/** EVEX only: a mask register, zeroing of what it leaves out, one memory element for all lanes. */
export type Extra = Pick<Operands, 'mask' | 'zeroing' | 'broadcast'>;

export interface VectorInstructions {
  three(name: ThreeOperand, d: Vec, a: Vec, b: Vec | Mem, extra?: Extra): void;
  /** The destination of a comparison by EVEX is a mask register. */
  threeImmediate(
    name: ThreeOperandImmediate,
    d: Vec,
    a: Vec,
    b: Vec | Mem,
    immediate: number,
    extra?: Extra,
  ): void;
  two(name: TwoOperand, d: Vec, a: Vec | Gp | Mem, extra?: Extra): void;
  twoImmediate(name: TwoOperandImmediate, d: Vec, a: Vec | Mem, immediate: number, extra?: Extra): void;
  store(name: keyof typeof opcodes.stores, m: Mem, a: Vec, extra?: Extra): void;
  extract(name: keyof typeof opcodes.extracts, d: Vec | Mem, a: Vec, part: number): void;
  shift(name: keyof typeof opcodes.shifts, d: Vec, a: Vec, by: number): void;
  /** AVX: elements whose mask has its highest bit set; the others are zero, or not written. */
  maskedLoad(d: Vec, mask: Vec, m: Mem): void;
  maskedStore(m: Mem, mask: Vec, a: Vec): void;
  /** Copies a whole register. */
  move(d: Vec, a: Vec): void;
}

export interface Assembler extends CodeBytes, General {
  readonly xmm: VectorInstructions;
  readonly ymm: VectorInstructions;
  readonly zmm: VectorInstructions;
  /** The lowest 16 bits of a register to k1 … k7. */
  kmovw(mask: number, from: Gp): void;
  /** Ends the use of vectors longer than 128 bits, before code that may use SSE. */
  vzeroupper(): void;
}

function createVectorInstructions(code: CodeBytes, length: Length): VectorInstructions {
  return {
    three: (name, reg, other, rm, extra) =>
      emitVector(code, opcodes.threeOperand[name], { length, reg, other, rm, ...extra }),
    threeImmediate: (name, reg, other, rm, immediate, extra) =>
      emitVector(code, opcodes.threeOperandImmediate[name], { length, reg, other, rm, immediate, ...extra }),
    two: (name, reg, rm, extra) => emitVector(code, opcodes.twoOperand[name], { length, reg, rm, ...extra }),
    twoImmediate: (name, reg, rm, immediate, extra) =>
      emitVector(code, opcodes.twoOperandImmediate[name], { length, reg, rm, immediate, ...extra }),
    store: (name, rm, reg, extra) => emitVector(code, opcodes.stores[name], { length, reg, rm, ...extra }),
    extract: (name, rm, reg, immediate) =>
      emitVector(code, opcodes.extracts[name], { length, reg, rm, immediate }),
    shift: (name, other, rm, immediate) => {
      const { digit, ...opcode } = opcodes.shifts[name];
      emitVector(code, opcode, { length, reg: digit, other, rm, immediate });
    },
    maskedLoad: (reg, other, rm) => emitVector(code, opcodes.maskedMoves.load, { length, reg, other, rm }),
    maskedStore: (rm, other, reg) => emitVector(code, opcodes.maskedMoves.store, { length, reg, other, rm }),
    move: (reg, rm) => {
      if (reg !== rm) emitVector(code, opcodes.twoOperand.vmovaps, { length, reg, rm });
    },
  };
}

export function createAssembler(): Assembler {
  const code = createCodeBytes();
  const general = createGeneral(code);
  return {
    ...code,
    ...general,
    xmm: createVectorInstructions(code, 0),
    ymm: createVectorInstructions(code, 1),
    zmm: createVectorInstructions(code, 2),
    kmovw: (reg, rm) =>
      emitVector(code, { map: 1, prefix: 0, opcode: 0x92, only: 'vex' }, { length: 0, reg, rm }),
    vzeroupper: () => [0xc5, 0xf8, 0x77].forEach(code.byte),
  };
}
