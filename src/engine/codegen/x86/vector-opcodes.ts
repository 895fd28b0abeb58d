/** The vector instructions that are used, by their AVX names. Intel SDM volume 2. */
import type { Opcode } from './vector-encoding.ts';

/** destination, source, source or memory. */
export const threeOperand = {
  vaddps: { map: 1, prefix: 0, opcode: 0x58 },
  vmulps: { map: 1, prefix: 0, opcode: 0x59 },
  vsubps: { map: 1, prefix: 0, opcode: 0x5c },
  vminps: { map: 1, prefix: 0, opcode: 0x5d },
  vdivps: { map: 1, prefix: 0, opcode: 0x5e },
  vmaxps: { map: 1, prefix: 0, opcode: 0x5f },
  vandps: { map: 1, prefix: 0, opcode: 0x54, only: 'vex' },
  vandnps: { map: 1, prefix: 0, opcode: 0x55, only: 'vex' },
  vorps: { map: 1, prefix: 0, opcode: 0x56, only: 'vex' },
  vxorps: { map: 1, prefix: 0, opcode: 0x57, only: 'vex' },
  vpand: { map: 1, prefix: 1, opcode: 0xdb, only: 'vex' },
  vpor: { map: 1, prefix: 1, opcode: 0xeb, only: 'vex' },
  vpxor: { map: 1, prefix: 1, opcode: 0xef, only: 'vex' },
  vpandd: { map: 1, prefix: 1, opcode: 0xdb, only: 'evex' },
  vpandnd: { map: 1, prefix: 1, opcode: 0xdf, only: 'evex' },
  vpord: { map: 1, prefix: 1, opcode: 0xeb, only: 'evex' },
  vpxord: { map: 1, prefix: 1, opcode: 0xef, only: 'evex' },
  vsubpd: { map: 1, prefix: 1, opcode: 0x5c, evexW: 1 },
  vmulpd: { map: 1, prefix: 1, opcode: 0x59, evexW: 1 },
  vpaddd: { map: 1, prefix: 1, opcode: 0xfe },
  vpsubd: { map: 1, prefix: 1, opcode: 0xfa },
  vpmulld: { map: 2, prefix: 1, opcode: 0x40 },
  vpcmpeqd: { map: 1, prefix: 1, opcode: 0x76, only: 'vex' },
  vpcmpgtd: { map: 1, prefix: 1, opcode: 0x66, only: 'vex' },
  vunpcklps: { map: 1, prefix: 0, opcode: 0x14 },
  vunpckhps: { map: 1, prefix: 0, opcode: 0x15 },
  vunpcklpd: { map: 1, prefix: 1, opcode: 0x14, evexW: 1 },
  vunpckhpd: { map: 1, prefix: 1, opcode: 0x15, evexW: 1 },
} satisfies Readonly<Record<string, Opcode>>;

/** The same with an immediate byte. */
export const threeOperandImmediate = {
  vcmpps: { map: 1, prefix: 0, opcode: 0xc2 },
  vpcmpd: { map: 3, prefix: 1, opcode: 0x1f, only: 'evex' },
  vpternlogd: { map: 3, prefix: 1, opcode: 0x25, only: 'evex' },
  vblendvps: { map: 3, prefix: 1, opcode: 0x4a, only: 'vex' },
  vblendps: { map: 3, prefix: 1, opcode: 0x0c, only: 'vex' },
  vinsertf128: { map: 3, prefix: 1, opcode: 0x18, only: 'vex' },
  vshufps: { map: 1, prefix: 0, opcode: 0xc6 },
} satisfies Readonly<Record<string, Opcode>>;

/** destination, source or memory. */
export const twoOperand = {
  vmovups: { map: 1, prefix: 0, opcode: 0x10 },
  vmovaps: { map: 1, prefix: 0, opcode: 0x28 },
  vsqrtps: { map: 1, prefix: 0, opcode: 0x51 },
  vcvtdq2ps: { map: 1, prefix: 0, opcode: 0x5b },
  /** To twice the length, and from it to half of it: the length is that of the doubles. */
  vcvtdq2pd: { map: 1, prefix: 2, opcode: 0xe6, tuple: 'half' },
  vcvtpd2ps: { map: 1, prefix: 1, opcode: 0x5a, evexW: 1 },
  vbroadcastss: { map: 2, prefix: 1, opcode: 0x18, tuple: 'scalar' },
  vpbroadcastd: { map: 2, prefix: 1, opcode: 0x58, tuple: 'scalar' },
  /** Bytes to integers of 32 bits. */
  vpmovzxbd: { map: 2, prefix: 1, opcode: 0x31, tuple: 'quarter' },
  /** From a general-purpose register or memory. */
  vmovd: { map: 1, prefix: 1, opcode: 0x6e, tuple: 'scalar' },
} satisfies Readonly<Record<string, Opcode>>;

/** destination, source or memory, immediate. */
export const twoOperandImmediate = {
  vroundps: { map: 3, prefix: 1, opcode: 0x08, only: 'vex' },
  vrndscaleps: { map: 3, prefix: 1, opcode: 0x08, only: 'evex' },
  vpermilps: { map: 3, prefix: 1, opcode: 0x04 },
} satisfies Readonly<Record<string, Opcode>>;

/** source (in ModRM.reg), destination or memory. */
export const stores = {
  vmovups: { map: 1, prefix: 0, opcode: 0x11 },
  vmovaps: { map: 1, prefix: 0, opcode: 0x29 },
  vmovss: { map: 1, prefix: 2, opcode: 0x11, tuple: 'scalar' },
} satisfies Readonly<Record<string, Opcode>>;

/** source, destination or memory, immediate: a part of a longer vector. */
export const extracts = {
  vextractf128: { map: 3, prefix: 1, opcode: 0x19, only: 'vex' },
  vextractf64x4: { map: 3, prefix: 1, opcode: 0x1b, evexW: 1, tuple: 'half', only: 'evex' },
} satisfies Readonly<Record<string, Opcode>>;

/** destination, source, distance: the operation is a digit in ModRM.reg. */
export const shifts = {
  vpsrld: { map: 1, prefix: 1, opcode: 0x72, digit: 2 },
  vpsrad: { map: 1, prefix: 1, opcode: 0x72, digit: 4 },
  vpslld: { map: 1, prefix: 1, opcode: 0x72, digit: 6 },
} satisfies Readonly<Record<string, Opcode & { readonly digit: number }>>;

/** register, mask vector, memory. */
export const maskedMoves = {
  load: { map: 2, prefix: 1, opcode: 0x2c, only: 'vex' },
  store: { map: 2, prefix: 1, opcode: 0x2e, only: 'vex' },
} satisfies Readonly<Record<string, Opcode>>;
