/** General-purpose instructions: 64-bit unless their name says otherwise. */
import type { CodeBytes } from './bytes.ts';
import { baseOf, emitModRm, indexOf } from './modrm.ts';
import type { Gp, Label, Mem } from './operands.ts';
import { isMem } from './operands.ts';

/** The two-operand arithmetic group, by its number in the opcode. */
const ARITHMETIC = { add: 0, or: 1, and: 4, sub: 5, xor: 6, cmp: 7 } as const;
const SHIFTS = { shl: 4, shr: 5, sar: 7 } as const;
/** Condition codes. */
const CONDITIONS = {
  b: 2,
  ae: 3,
  e: 4,
  ne: 5,
  be: 6,
  a: 7,
  s: 8,
  ns: 9,
  l: 12,
  ge: 13,
  le: 14,
  g: 15,
} as const;

export type Condition = keyof typeof CONDITIONS;

const fitsByte = (n: number): boolean => n >= -128 && n <= 127;
const fitsInt32 = (n: number): boolean => n === (n | 0);

export function createGeneral(code: CodeBytes) {
  const instruction = (
    opcode: readonly number[],
    reg: Gp,
    rm: Gp | Mem,
    { wide = true, trailing = 0 }: { readonly wide?: boolean; readonly trailing?: number } = {},
  ): void => {
    const b = isMem(rm) ? baseOf(rm) : rm;
    const x = isMem(rm) ? indexOf(rm) : 0;
    const rex = (wide ? 8 : 0) | ((reg >> 3) << 2) | ((x >> 3) << 1) | (b >> 3);
    if (rex !== 0) code.byte(0x40 | rex);
    opcode.forEach(code.byte);
    emitModRm(code, reg, rm, { trailing });
  };
  const arithmetic = (digit: number, destination: Gp | Mem, source: Gp | Mem, wide = true): void => {
    if (isMem(source)) {
      if (isMem(destination)) throw new Error('one operand at most is in memory');
      instruction([(digit << 3) | 3], destination, source, { wide });
    } else instruction([(digit << 3) | 1], source, destination, { wide });
  };
  const move = (destination: Gp | Mem, source: Gp | Mem, wide: boolean): void => {
    if (!isMem(source)) instruction([0x89], source, destination, { wide });
    else if (!isMem(destination)) instruction([0x8b], destination, source, { wide });
    else throw new Error('one operand at most is in memory');
  };
  const immediate = (digit: number, destination: Gp | Mem, value: number, wide = true): void => {
    if (!fitsInt32(value)) throw new RangeError(`${value} is no 32-bit immediate`);
    const short = fitsByte(value);
    instruction([short ? 0x83 : 0x81], digit, destination, { wide, trailing: short ? 1 : 4 });
    if (short) code.byte(value & 0xff);
    else code.int32(value);
  };
  const jumpTo = (opcode: { readonly near: readonly number[]; readonly short: number }, to: Label): void => {
    const distance = to.position - (code.here() + 2);
    if (to.position >= 0 && fitsByte(distance)) {
      code.byte(opcode.short);
      code.byte(distance & 0xff);
      return;
    }
    opcode.near.forEach(code.byte);
    code.relative(to, 0, 0);
  };

  return {
    op: (name: keyof typeof ARITHMETIC, destination: Gp | Mem, source: Gp | Mem) =>
      arithmetic(ARITHMETIC[name], destination, source),
    opImmediate: (name: keyof typeof ARITHMETIC, destination: Gp | Mem, value: number) =>
      immediate(ARITHMETIC[name], destination, value),
    op32: (name: keyof typeof ARITHMETIC, destination: Gp | Mem, source: Gp | Mem) =>
      arithmetic(ARITHMETIC[name], destination, source, false),
    /** With 32 bits in memory or a register. */
    op32Immediate: (name: keyof typeof ARITHMETIC, destination: Gp | Mem, value: number) =>
      immediate(ARITHMETIC[name], destination, value, false),
    shift(name: keyof typeof SHIFTS, register: Gp, by: number) {
      instruction([0xc1], SHIFTS[name], register);
      code.byte(by);
    },
    mov: (destination: Gp | Mem, source: Gp | Mem) => move(destination, source, true),
    movImmediate(destination: Gp | Mem, value: number) {
      if (!fitsInt32(value)) throw new RangeError(`${value} is no 32-bit immediate`);
      instruction([0xc7], 0, destination, { trailing: 4 });
      code.int32(value);
    },
    /** 32 bits, zero-extended into the register; or 32 bits into memory. */
    mov32: (destination: Gp | Mem, source: Gp | Mem) => move(destination, source, false),
    lea: (destination: Gp, m: Mem) => instruction([0x8d], destination, m),
    imul: (destination: Gp, source: Gp | Mem) => instruction([0x0f, 0xaf], destination, source),
    imulImmediate(destination: Gp, source: Gp | Mem, value: number) {
      if (!fitsInt32(value)) throw new RangeError(`${value} is no 32-bit immediate`);
      instruction([0x69], destination, source, { trailing: 4 });
      code.int32(value);
    },
    /** rdx:rax ÷ source: quotient to rax, remainder to rdx. */
    div: (source: Gp | Mem) => instruction([0xf7], 6, source),
    test: (a: Gp, b: Gp) => instruction([0x85], b, a),
    push(register: Gp) {
      if (register > 7) code.byte(0x41);
      code.byte(0x50 | (register & 7));
    },
    pop(register: Gp) {
      if (register > 7) code.byte(0x41);
      code.byte(0x58 | (register & 7));
    },
    jmp: (to: Label) => jumpTo({ near: [0xe9], short: 0xeb }, to),
    jcc: (condition: Condition, to: Label) => {
      const number = CONDITIONS[condition];
      jumpTo({ near: [0x0f, 0x80 | number], short: 0x70 | number }, to);
    },
    call(to: Label) {
      code.byte(0xe8);
      code.relative(to, 0, 0);
    },
    ret: () => code.byte(0xc3),
    pause: () => [0xf3, 0x90].forEach(code.byte),
    syscall: () => [0x0f, 0x05].forEach(code.byte),
    cpuid: () => [0x0f, 0xa2].forEach(code.byte),
    xgetbv: () => [0x0f, 0x01, 0xd0].forEach(code.byte),
    /** Time-stamp counter to edx:eax. */
    rdtsc: () => [0x0f, 0x31].forEach(code.byte),
    /** Atomically: the register and 32 bits of memory are exchanged, memory becomes their sum. */
    lockXadd32(m: Mem, register: Gp) {
      code.byte(0xf0);
      instruction([0x0f, 0xc1], register, m, { wide: false });
    },
    prefetch: (m: Mem) => instruction([0x0f, 0x18], 1, m, { wide: false }),
  };
}

export type General = ReturnType<typeof createGeneral>;
