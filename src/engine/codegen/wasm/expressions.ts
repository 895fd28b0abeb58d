/** Lane programs as v128 code, four elements at a time. Values used once stay on the stack, others get a local. */
import type { Extent } from '../../expr.ts';
import type { Instruction, LaneProgram } from '../../linearize.ts';
import type { Code, Local } from './assembler.ts';
import type { PlainOp } from './opcodes.ts';

export interface LaneEmitter {
  /** Pushes the value of an instruction, computing it on first use. */
  push(instruction: number): void;
  /** A scope inside this one: it sees the values computed here, and forgets its own when it is done with. */
  inner(leaves: Leaves): LaneEmitter;
  /** Computes now whatever spreads no further than `extents` and is needed beyond, e.g. before a loop. */
  settle(extents: readonly Extent[]): void;
}

/** Pushes the four elements of an input, by its number, or the numbers of their row or columns. */
export interface Leaves {
  input(n: number): void;
  index(axis: 'row' | 'col'): void;
}

const scratch = new DataView(new ArrayBuffer(4));
function bitsOf(value: number): number {
  scratch.setFloat32(0, value);
  return scratch.getInt32(0);
}

/** min(a, b) is `a < b ? a : b`: pmin(b, a). Likewise max and pmax. */
const SWAPPED = new Set(['min', 'max']);
const FLOAT_OPS: Readonly<Partial<Record<Instruction['op'], PlainOp>>> = {
  neg: 'f32x4.neg',
  abs: 'f32x4.abs',
  sqrt: 'f32x4.sqrt',
  floor: 'f32x4.floor',
  nearest: 'f32x4.nearest',
  add: 'f32x4.add',
  sub: 'f32x4.sub',
  mul: 'f32x4.mul',
  div: 'f32x4.div',
  min: 'f32x4.pmin',
  max: 'f32x4.pmax',
  lt: 'f32x4.lt',
  le: 'f32x4.le',
  gt: 'f32x4.gt',
  ge: 'f32x4.ge',
  eq: 'f32x4.eq',
  ne: 'f32x4.ne',
};
const INT_OPS: Readonly<Partial<Record<Instruction['op'], PlainOp>>> = {
  lt: 'i32x4.lt_s',
  le: 'i32x4.le_s',
  gt: 'i32x4.gt_s',
  ge: 'i32x4.ge_s',
  eq: 'i32x4.eq',
  ne: 'i32x4.ne',
  iadd: 'i32x4.add',
  isub: 'i32x4.sub',
  imul: 'i32x4.mul',
  iand: 'v128.and',
  ior: 'v128.or',
  ixor: 'v128.xor',
  ishl: 'i32x4.shl',
  ishr: 'i32x4.shr_s',
  iushr: 'i32x4.shr_u',
  convert: 'f32x4.convert_i32x4_s',
};

/** A pool of v128 locals that scopes one after another can use again. */
interface Pool {
  readonly locals: Local[];
}

export function createLaneEmitter(code: Code, program: LaneProgram, leaves: Leaves): LaneEmitter {
  const uses = new Array<number>(program.code.length).fill(0);
  const count = (n: number): void => {
    uses[n] = (uses[n] ?? 0) + 1;
  };
  for (const i of program.code) i.args.forEach(count);
  program.results.forEach(count);
  return scope(code, program, uses, leaves, new Map(), { locals: [] }, 0);
}

const isConstant = (i: Instruction): boolean => i.op === 'const' || i.op === 'iconst';

function scope(
  code: Code,
  program: LaneProgram,
  uses: readonly number[],
  leaves: Leaves,
  outer: ReadonlyMap<number, Local>,
  pool: Pool,
  poolFrom: number,
): LaneEmitter {
  const known = new Map(outer);
  let taken = poolFrom;
  const fresh = (): Local => {
    const local = pool.locals[taken] ?? code.local('v128');
    pool.locals[taken++] = local;
    return local;
  };
  const instruction = (n: number): Instruction => {
    const found = program.code[n];
    if (found === undefined) throw new Error(`no instruction ${n}`);
    return found;
  };

  const compute = (i: Instruction): void => {
    if (isConstant(i)) {
      const bits = i.op === 'const' ? bitsOf(i.immediate) : i.immediate;
      code.v128([bits, bits, bits, bits]);
      return;
    }
    if (i.op === 'input') {
      leaves.input(i.immediate);
      return;
    }
    if (i.op === 'index') {
      leaves.index(i.extent === 'row' ? 'row' : 'col');
      return;
    }
    if (i.op === 'select') {
      const [mask = -1, a = -1, b = -1] = i.args;
      push(a);
      push(b);
      push(mask);
      code.op('v128.bitselect');
      return;
    }
    const args = SWAPPED.has(i.op) ? i.args.toReversed() : i.args;
    args.forEach(push);
    // The bits of a lane are the lane.
    if (i.op === 'bits' || i.op === 'float') return;
    if (i.op === 'ishl' || i.op === 'ishr' || i.op === 'iushr') code.i32(i.immediate);
    const ints = instruction(i.args[0] ?? -1).type === 'i32';
    const op = (ints ? INT_OPS : FLOAT_OPS)[i.op];
    if (op === undefined) throw new Error(`no lane operation ${i.op} on ${ints ? 'integers' : 'floats'}`);
    code.op(op);
  };

  const push = (n: number): void => {
    const local = known.get(n);
    if (local !== undefined) {
      code.get(local);
      return;
    }
    const i = instruction(n);
    compute(i);
    if ((uses[n] ?? 0) < 2 || isConstant(i)) return;
    const kept = fresh();
    known.set(n, kept);
    code.tee(kept);
  };

  return {
    push,
    inner: (innerLeaves) => scope(code, program, uses, innerLeaves, known, pool, taken),
    settle: (extents) => {
      const isIn = (i: Instruction): boolean => extents.includes(i.extent);
      const needed = new Set(program.results);
      for (const i of program.code) if (!isIn(i)) for (const a of i.args) needed.add(a);
      for (const [n, i] of program.code.entries()) {
        if (!isIn(i) || isConstant(i) || !needed.has(n) || known.has(n)) continue;
        push(n);
        const kept = known.get(n);
        // Pushed twice-used values are in a local already; what is on the stack goes there, too.
        const local = kept ?? fresh();
        known.set(n, local);
        code.set(local);
      }
    },
  };
}
