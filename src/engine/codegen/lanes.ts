/**
 * The interpreter's register machine: each instruction of a lane program runs over a strip of elements before the
 * next. Float registers are Float32Array, whose stores round to nearest even: one rounding per operation, since
 * f64 + − × ÷ √ of f32 operands rounds innocuously.
 */
import type { Instruction, LaneProgram } from '../linearize.ts';

export type Register = Float32Array | Int32Array;

export interface LaneMachine {
  /** The register that each input is read from, in the program's order; the caller fills it. */
  readonly inputs: readonly Float32Array[];
  readonly results: readonly Float32Array[];
  /** Computes the first `count` elements, those of the domain's `row` from column `first` on. */
  run(count: number, row: number, first: number): void;
}

type Step = (count: number, row: number, first: number) => void;

/** Half to even, keeping the sign of zero; beyond 2^23 every float is whole. */
function nearest(x: number): number {
  const size = Math.abs(x);
  if (!(size < 8388608)) return x;
  const whole = Math.fround(Math.fround(size + 8388608) - 8388608);
  return x < 0 || Object.is(x, -0) ? -whole : whole;
}

const unary: Readonly<Record<string, (a: number) => number>> = {
  neg: (a) => -a,
  abs: Math.abs,
  sqrt: Math.sqrt,
  floor: Math.floor,
  nearest,
  convert: (a) => a,
};

/** One loop per operation: kept apart so that the JavaScript engine sees each with its own types. */
type Loop = (out: Register, a: Register, b: Register, count: number) => void;
const over =
  (f: (a: number, b: number) => number): (() => Loop) =>
  () =>
  (out, a, b, count) => {
    for (let i = 0; i < count; i++) out[i] = f(a[i] as number, b[i] as number);
  };

const binary: Readonly<Record<string, () => Loop>> = {
  add: () => (out, a, b, count) => {
    for (let i = 0; i < count; i++) out[i] = (a[i] as number) + (b[i] as number);
  },
  sub: () => (out, a, b, count) => {
    for (let i = 0; i < count; i++) out[i] = (a[i] as number) - (b[i] as number);
  },
  mul: () => (out, a, b, count) => {
    for (let i = 0; i < count; i++) out[i] = (a[i] as number) * (b[i] as number);
  },
  div: () => (out, a, b, count) => {
    for (let i = 0; i < count; i++) out[i] = (a[i] as number) / (b[i] as number);
  },
  // biome-ignore lint/complexity/useMathMinMax: NaN and signed zeros go the other way there.
  min: over((a, b) => (a < b ? a : b)),
  // biome-ignore lint/complexity/useMathMinMax: as above.
  max: over((a, b) => (a > b ? a : b)),
  lt: over((a, b) => Number(a < b)),
  le: over((a, b) => Number(a <= b)),
  gt: over((a, b) => Number(a > b)),
  ge: over((a, b) => Number(a >= b)),
  eq: over((a, b) => Number(a === b)),
  ne: over((a, b) => Number(a !== b)),
  iadd: over((a, b) => a + b),
  isub: over((a, b) => a - b),
  imul: over(Math.imul),
  iand: over((a, b) => a & b),
  ior: over((a, b) => a | b),
  ixor: over((a, b) => a ^ b),
};

const shift: Readonly<Record<string, (a: number, by: number) => number>> = {
  ishl: (a, by) => a << by,
  ishr: (a, by) => a >> by,
  iushr: (a, by) => a >>> by,
};

/** A machine for strips of up to `width` elements. */
export function createLaneMachine(program: LaneProgram, width: number): LaneMachine {
  const registers: Register[] = [];
  const steps: Step[] = [];
  const inputs = program.inputs.map(() => new Float32Array(width));
  const register = (n: number | undefined): Register => {
    const found = n === undefined ? undefined : registers[n];
    if (found === undefined) throw new Error(`no register ${n}`);
    return found;
  };

  const stepOf = (i: Instruction, out: Register): Step | null => {
    if (i.op === 'const' || i.op === 'iconst') {
      out.fill(i.immediate);
      return null;
    }
    if (i.op === 'index') {
      if (i.extent === 'row') return (_, row) => out.fill(row);
      return (count, _, first) => {
        for (let k = 0; k < count; k++) out[k] = first + k;
      };
    }
    const a = register(i.args[0]);
    if (i.op === 'bits' || i.op === 'float') {
      // The same bytes, seen as the other type.
      const bytes = new Int32Array(a.buffer);
      const target = new Int32Array(out.buffer);
      return (count) => {
        for (let k = 0; k < count; k++) target[k] = bytes[k] as number;
      };
    }
    const one = unary[i.op];
    if (one !== undefined) {
      return (count) => {
        for (let k = 0; k < count; k++) out[k] = one(a[k] as number);
      };
    }
    const shifted = shift[i.op];
    if (shifted !== undefined) {
      const by = i.immediate;
      return (count) => {
        for (let k = 0; k < count; k++) out[k] = shifted(a[k] as number, by);
      };
    }
    const b = register(i.args[1]);
    if (i.op === 'select') {
      const c = register(i.args[2]);
      return (count) => {
        for (let k = 0; k < count; k++) out[k] = (a[k] === 0 ? c[k] : b[k]) as number;
      };
    }
    const loop = binary[i.op]?.();
    if (loop === undefined) throw new Error(`no lane operation ${i.op}`);
    return (count) => loop(out, a, b, count);
  };

  for (const i of program.code) {
    const given = i.op === 'input' ? inputs[i.immediate] : undefined;
    const out = given ?? (i.type === 'f32' ? new Float32Array(width) : new Int32Array(width));
    const step = i.op === 'input' ? null : stepOf(i, out);
    registers.push(out);
    if (step !== null) steps.push(step);
  }
  const results = program.results.map((n) => {
    const r = register(n);
    if (!(r instanceof Float32Array)) throw new Error('only floats can be stored');
    return r;
  });
  return {
    inputs,
    results,
    run: (count, row, first) => {
      for (const step of steps) step(count, row, first);
    },
  };
}
