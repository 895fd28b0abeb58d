/** Opcodes of the WebAssembly core, fixed-width SIMD and atomic instructions that the code generator uses. */

/** Instructions without immediates; SIMD ones (above 0xff) are written as prefix 0xfd and a LEB128 number. */
const SIMD = 0x100;
export const plainOps = {
  unreachable: 0x00,
  return: 0x0f,
  drop: 0x1a,
  select: 0x1b,
  'i32.eqz': 0x45,
  'i32.eq': 0x46,
  'i32.ne': 0x47,
  'i32.lt_u': 0x49,
  'i32.gt_u': 0x4b,
  'i32.le_u': 0x4d,
  'i32.ge_u': 0x4f,
  'i32.add': 0x6a,
  'i32.sub': 0x6b,
  'i32.mul': 0x6c,
  'i32.div_u': 0x6e,
  'i32.rem_u': 0x70,
  'i32.and': 0x71,
  'f32.add': 0x92,
  'i32x4.splat': SIMD + 0x11,
  'f32x4.splat': SIMD + 0x13,
  'i32x4.eq': SIMD + 0x37,
  'i32x4.ne': SIMD + 0x38,
  'i32x4.lt_s': SIMD + 0x39,
  'i32x4.gt_s': SIMD + 0x3b,
  'i32x4.le_s': SIMD + 0x3d,
  'i32x4.ge_s': SIMD + 0x3f,
  'f32x4.eq': SIMD + 0x41,
  'f32x4.ne': SIMD + 0x42,
  'f32x4.lt': SIMD + 0x43,
  'f32x4.gt': SIMD + 0x44,
  'f32x4.le': SIMD + 0x45,
  'f32x4.ge': SIMD + 0x46,
  'v128.and': SIMD + 0x4e,
  'v128.or': SIMD + 0x50,
  'v128.xor': SIMD + 0x51,
  'v128.bitselect': SIMD + 0x52,
  'f32x4.demote_f64x2_zero': SIMD + 0x5e,
  'f32x4.floor': SIMD + 0x68,
  'f32x4.nearest': SIMD + 0x6a,
  'i16x8.extend_low_i8x16_u': SIMD + 0x89,
  'i32x4.extend_low_i16x8_u': SIMD + 0xa9,
  'i32x4.shl': SIMD + 0xab,
  'i32x4.shr_s': SIMD + 0xac,
  'i32x4.shr_u': SIMD + 0xad,
  'i32x4.add': SIMD + 0xae,
  'i32x4.sub': SIMD + 0xb1,
  'i32x4.mul': SIMD + 0xb5,
  'f32x4.abs': SIMD + 0xe0,
  'f32x4.neg': SIMD + 0xe1,
  'f32x4.sqrt': SIMD + 0xe3,
  'f32x4.add': SIMD + 0xe4,
  'f32x4.sub': SIMD + 0xe5,
  'f32x4.mul': SIMD + 0xe6,
  'f32x4.div': SIMD + 0xe7,
  'f32x4.pmin': SIMD + 0xea,
  'f32x4.pmax': SIMD + 0xeb,
  'f64x2.sub': SIMD + 0xf1,
  'f64x2.mul': SIMD + 0xf2,
  'f32x4.convert_i32x4_s': SIMD + 0xfa,
  'f64x2.convert_low_i32x4_s': SIMD + 0xfe,
} as const;
export type PlainOp = keyof typeof plainOps;

/** Loads and stores; each takes an address from the stack and adds a constant offset. */
export const memoryOps = {
  'i32.load': 0x28,
  'f32.load': 0x2a,
  'i32.store': 0x36,
  'f32.store': 0x38,
  'v128.load': SIMD + 0x00,
  'v128.load32_splat': SIMD + 0x09,
  'v128.load32_zero': SIMD + 0x5c,
  'v128.store': SIMD + 0x0b,
} as const;
export type MemoryOp = keyof typeof memoryOps;

/** The same for words shared between threads. */
export const atomicOps = {
  'memory.atomic.notify': 0x00,
  'memory.atomic.wait32': 0x01,
  'i32.atomic.load': 0x10,
  'i32.atomic.store': 0x17,
  'i32.atomic.rmw.add': 0x1e,
} as const;
export type AtomicOp = keyof typeof atomicOps;
export const ATOMIC_PREFIX = 0xfe;

export const structure = {
  block: 0x02,
  loop: 0x03,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  call: 0x10,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  globalGet: 0x23,
  globalSet: 0x24,
  i32Const: 0x41,
  i64Const: 0x42,
  v128Const: SIMD + 0x0c,
  shuffle: SIMD + 0x0d,
  extractF32: SIMD + 0x1f,
  noResult: 0x40,
} as const;

export const isSimd = (opcode: number): boolean => opcode >= SIMD;
export const simdNumber = (opcode: number): number => opcode - SIMD;
export const SIMD_PREFIX = 0xfd;
