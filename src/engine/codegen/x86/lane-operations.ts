/** How each lane operation is done by each instruction set: on registers, and on memory where an operand may be there. */
import type { CompareOp } from '../../expr.ts';
import type { Instruction, LaneProgram } from '../../linearize.ts';
import type { Assembler, ThreeOperand } from './assembler.ts';
import type { Isa } from './isa.ts';
import { vectorsOf } from './isa.ts';
import type { Mem, Vec } from './operands.ts';
import { isMem } from './operands.ts';

type Source = Vec | Mem;

export interface LaneOperation {
  /** Numbers of the instructions it reads, in the order that `emit` wants them. */
  readonly args: readonly number[];
  /** The argument that may be a whole vector in memory; −1 if none may. */
  readonly memory: number;
  /** The argument in whose register the result must come; −1 if none. */
  readonly tied: number;
  /** The first two arguments may change places. */
  readonly commutative: boolean;
  emit(d: Vec, sources: readonly Source[]): void;
}

const FLOAT_COMPARE: Readonly<Record<CompareOp, number>> = { eq: 0, lt: 17, le: 18, ne: 4, ge: 29, gt: 30 };
const INT_COMPARE: Readonly<Record<CompareOp, number>> = { eq: 0, lt: 1, le: 2, ne: 4, ge: 5, gt: 6 };
const FLOOR = 9;
const NEAREST = 8;
/** a ? b : c, bit by bit, of three operands. */
const BIT_SELECT = 0xca;
const ALL_ONES = 0xff;
const LANES = 16;

const THREE: Readonly<Partial<Record<Instruction['op'], ThreeOperand>>> = {
  add: 'vaddps',
  sub: 'vsubps',
  mul: 'vmulps',
  div: 'vdivps',
  min: 'vminps',
  max: 'vmaxps',
  iadd: 'vpaddd',
  isub: 'vpsubd',
  imul: 'vpmulld',
};
const COMMUTATIVE = new Set<Instruction['op']>([
  'add',
  'mul',
  'iadd',
  'imul',
  'iand',
  'ior',
  'ixor',
  'eq',
  'ne',
]);
const BITWISE = {
  avx2: { and: 'vandps', andNot: 'vandnps', xor: 'vxorps', iand: 'vpand', ior: 'vpor', ixor: 'vpxor' },
  avx512: { and: 'vpandd', andNot: 'vpandnd', xor: 'vpxord', iand: 'vpandd', ior: 'vpord', ixor: 'vpxord' },
} as const;

const scratch = new DataView(new ArrayBuffer(4));
export function bitsOf(value: number): number {
  scratch.setFloat32(0, value);
  return scratch.getInt32(0);
}

/** 0, 1, 2 … 15. */
export const lanesFrom = (asm: Assembler, first: number): Mem =>
  asm.constant(Array.from({ length: LANES }, (_, i) => first + i));

const register = (s: Source | undefined): Vec => {
  if (s === undefined || isMem(s)) throw new Error('an operand should be in a register');
  return s;
};
const either = (s: Source | undefined): Source => {
  if (s === undefined) throw new Error('an operand is missing');
  return s;
};

export function laneOperation(asm: Assembler, isa: Isa, program: LaneProgram, i: Instruction): LaneOperation {
  const v = vectorsOf(asm, isa);
  const bitwise = BITWISE[isa.name];
  const { op, args } = i;
  const make = (
    emit: LaneOperation['emit'],
    given: Partial<Omit<LaneOperation, 'emit'>> = {},
  ): LaneOperation => ({
    args,
    memory: args.length - 1,
    tied: -1,
    commutative: COMMUTATIVE.has(op),
    emit,
    ...given,
  });
  const three = (name: ThreeOperand): LaneOperation =>
    make((d, [a, b]) => v.three(name, d, register(a), either(b)));
  const withConstant = (name: ThreeOperand, bits: number): LaneOperation =>
    make((d, [a]) => v.three(name, d, register(a), asm.replicated(bits)), { memory: -1 });

  switch (op) {
    case 'neg':
      return withConstant(bitwise.xor, 0x80000000 | 0);
    case 'abs':
      return withConstant(bitwise.and, 0x7fffffff);
    case 'sqrt':
      return make((d, [a]) => v.two('vsqrtps', d, either(a)));
    case 'convert':
      return make((d, [a]) => v.two('vcvtdq2ps', d, either(a)));
    case 'floor':
    case 'nearest': {
      const round = isa.name === 'avx2' ? 'vroundps' : 'vrndscaleps';
      return make((d, [a]) => v.twoImmediate(round, d, either(a), op === 'floor' ? FLOOR : NEAREST));
    }
    case 'iand':
    case 'ior':
    case 'ixor':
      return three(bitwise[op]);
    case 'ishl':
    case 'ishr':
    case 'iushr': {
      const shift = ({ ishl: 'vpslld', ishr: 'vpsrad', iushr: 'vpsrld' } as const)[op];
      return make((d, [a]) => v.shift(shift, d, register(a), i.immediate & 31), { memory: -1 });
    }
    case 'lt':
    case 'le':
    case 'gt':
    case 'ge':
    case 'eq':
    case 'ne': {
      const ints = program.code[args[0] ?? -1]?.type === 'i32';
      if (isa.name === 'avx512') return make(compareMasked(asm, op, ints));
      if (!ints)
        return make((d, [a, b]) => v.threeImmediate('vcmpps', d, register(a), either(b), FLOAT_COMPARE[op]));
      return compareInts(asm, op, args);
    }
    case 'select':
      return select(asm, isa, program, args);
    default: {
      const name = THREE[op];
      if (name === undefined) throw new Error(`no lane operation ${op}`);
      return three(name);
    }
  }
}

/** By AVX-512 a comparison yields a mask register; here masks are vectors of ones and zeros everywhere. */
const compareMasked =
  (asm: Assembler, op: CompareOp, ints: boolean): LaneOperation['emit'] =>
  (d, [a, b]) => {
    if (ints) asm.zmm.threeImmediate('vpcmpd', 1, register(a), either(b), INT_COMPARE[op]);
    else asm.zmm.threeImmediate('vcmpps', 1, register(a), either(b), FLOAT_COMPARE[op]);
    asm.zmm.threeImmediate('vpternlogd', d, d, d, ALL_ONES, { mask: 1, zeroing: true });
  };

/** AVX2 knows `equal` and `greater`; the others change places or are turned round. */
function compareInts(asm: Assembler, op: CompareOp, args: readonly number[]): LaneOperation {
  const swapped = op === 'lt' || op === 'ge';
  const inverted = op === 'ne' || op === 'le' || op === 'ge';
  const name = op === 'eq' || op === 'ne' ? 'vpcmpeqd' : 'vpcmpgtd';
  return {
    args: swapped ? args.toReversed() : args,
    memory: 1,
    tied: -1,
    commutative: name === 'vpcmpeqd',
    emit: (d, [a, b]) => {
      asm.ymm.three(name, d, register(a), either(b));
      if (inverted) asm.ymm.three('vpxor', d, d, asm.replicated(-1));
    },
  };
}

function select(asm: Assembler, isa: Isa, program: LaneProgram, args: readonly number[]): LaneOperation {
  const [mask = -1, a = -1, b = -1] = args;
  const v = vectorsOf(asm, isa);
  const isZero = (n: number): boolean => {
    const i = program.code[n];
    return i?.op === 'iconst' ? i.immediate === 0 : i?.op === 'const' && Object.is(i.immediate, 0);
  };
  const plain = { memory: 1, tied: -1, commutative: false };
  if (isZero(a)) {
    const name = BITWISE[isa.name].andNot;
    return { ...plain, args: [mask, b], emit: (d, [m, x]) => v.three(name, d, register(m), either(x)) };
  }
  if (isZero(b)) {
    const name = BITWISE[isa.name].and;
    return { ...plain, args: [mask, a], emit: (d, [m, x]) => v.three(name, d, register(m), either(x)) };
  }
  if (isa.name === 'avx2') {
    return {
      ...plain,
      args: [b, a, mask],
      emit: (d, [y, x, m]) => v.threeImmediate('vblendvps', d, register(y), either(x), register(m) << 4),
    };
  }
  return {
    ...plain,
    args: [mask, a, b],
    memory: 2,
    tied: 0,
    emit: (d, [, x, y]) => v.threeImmediate('vpternlogd', d, register(x), either(y), BIT_SELECT),
  };
}
