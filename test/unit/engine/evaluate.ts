/**
 * A plain evaluator of lane expressions for tests, written from the definitions in expr.ts and kernels.ts: in f32 with
 * every operation rounded and calls expanded, or in f64 with the true functions, as a reference.
 */
import type { BinaryOp, CompareOp, Expr, IntOp, UnaryOp } from '../../../src/engine/expr.ts';
import { laneType } from '../../../src/engine/expr.ts';
import { expandCalls } from '../../../src/engine/math.ts';

export interface Domain {
  readonly rows: number;
  readonly columns: number;
  /** Values by extent: one, one per row, one per column, or row-major. */
  readonly inputs: Readonly<Record<string, ArrayLike<number>>>;
}
export type Precision = 'f32' | 'f64';

const scratch = new DataView(new ArrayBuffer(4));
const bitsOf = (x: number): number => {
  scratch.setFloat32(0, x);
  return scratch.getInt32(0);
};
const floatOf = (bits: number): number => {
  scratch.setInt32(0, bits);
  return scratch.getFloat32(0);
};
const halfToEven = (x: number): number => {
  const down = Math.floor(x);
  const rest = x - down;
  return rest < 0.5 || (rest === 0.5 && down % 2 === 0) ? down : down + 1;
};

const unary: Record<UnaryOp, (a: number) => number> = {
  neg: (a) => -a,
  abs: Math.abs,
  sqrt: Math.sqrt,
  floor: Math.floor,
  nearest: halfToEven,
};
const binary: Record<BinaryOp | CompareOp | IntOp, (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  // biome-ignore lint/complexity/useMathMinMax: NaN and −0 as the lanes have it
  min: (a, b) => (a < b ? a : b),
  // biome-ignore lint/complexity/useMathMinMax: NaN and −0 as the lanes have it
  max: (a, b) => (a > b ? a : b),
  lt: (a, b) => Number(a < b),
  le: (a, b) => Number(a <= b),
  gt: (a, b) => Number(a > b),
  ge: (a, b) => Number(a >= b),
  eq: (a, b) => Number(a === b),
  ne: (a, b) => Number(a !== b),
  iadd: (a, b) => (a + b) | 0,
  isub: (a, b) => (a - b) | 0,
  imul: Math.imul,
  iand: (a, b) => a & b,
  ior: (a, b) => a | b,
  ixor: (a, b) => a ^ b,
};
const shifts = {
  ishl: (a: number, by: number) => a << by,
  ishr: (a: number, by: number) => a >> by,
  iushr: (a: number, by: number) => (a >>> by) | 0,
};
const casts = { bits: bitsOf, float: floatOf, convert: Math.fround };
const functions = { exp: Math.exp, log: Math.log, tanh: Math.tanh };
const has = <K extends string>(table: Record<K, unknown>, key: string): key is K => Object.hasOwn(table, key);

/** The value at every element of the domain, row-major; smaller extents are broadcast. */
export function evaluate(expr: Expr, domain: Domain, precision: Precision = 'f32'): Float64Array {
  const { rows, columns } = domain;
  const size = rows * columns;
  const round = precision === 'f32' ? Math.fround : (x: number): number => x;
  const memo = new Map<Expr, Float64Array>();

  const fill = (value: (row: number, column: number, i: number) => number): Float64Array =>
    Float64Array.from({ length: size }, (_, i) => value(Math.floor(i / columns), i % columns, i));
  const at = (values: ArrayLike<number>, i: number): number => values[i] ?? NaN;

  const compute = (e: Expr): Float64Array => {
    if (e.op === 'const' || e.op === 'iconst') return fill(() => e.value);
    if (e.op === 'input') {
      const values = domain.inputs[e.name];
      if (values === undefined) throw new Error(`no input ${e.name}`);
      const index = { scalar: () => 0, row: (r: number) => r, col: (_: number, c: number) => c };
      const pick = e.extent === 'full' ? (_: number, __: number, i: number) => i : index[e.extent];
      return fill((r, c, i) => round(at(values, pick(r, c, i))));
    }
    if (e.op === 'index') return fill((r, c) => (e.axis === 'row' ? r : c));
    const a = visit(e.a);
    if (e.op === 'select') {
      const mask = visit(e.mask);
      const b = visit(e.b);
      return fill((_, __, i) => at(mask[i] ? a : b, i));
    }
    if (e.op === 'stop') return a;
    if (e.op === 'reduce') return reduce(e.fn, e.to, a);
    if (e.op === 'call') return a.map(functions[e.fn]);
    const { op } = e;
    if (has(unary, op)) return a.map((x) => round(unary[op](x)));
    if (has(shifts, op) && 'by' in e) return a.map((x) => shifts[op](x, e.by));
    if (has(casts, op)) return a.map((x) => casts[op](x));
    if (!has(binary, op) || !('b' in e)) throw new Error(`cannot evaluate ${op}`);
    const b = visit(e.b);
    // Integers have 32 bits of their own and must not be rounded to the 24 of a float.
    const finish = laneType(e) === 'f32' ? round : (x: number): number => x;
    return a.map((x, i) => finish(binary[op](x, at(b, i))));
  };

  const reduce = (fn: 'sum' | 'max', to: 'row' | 'col', a: Float64Array): Float64Array => {
    const op = (x: number, y: number): number => round(binary[fn === 'sum' ? 'add' : 'max'](x, y));
    const identity = fn === 'sum' ? 0 : -Infinity;
    if (to === 'col') {
      const sums = new Float64Array(columns).fill(identity);
      for (let i = 0; i < size; i++) sums[i % columns] = op(at(sums, i % columns), at(a, i));
      return fill((_, c) => at(sums, c));
    }
    const totals = Array.from({ length: rows }, (_, r) => {
      const lanes = new Float64Array(16).fill(identity);
      for (let c = 0; c < columns; c++) lanes[c % 16] = op(at(lanes, c % 16), at(a, r * columns + c));
      for (const h of [8, 4, 2, 1]) for (let l = 0; l < h; l++) lanes[l] = op(at(lanes, l), at(lanes, l + h));
      return at(lanes, 0);
    });
    return fill((r) => at(totals, r));
  };

  const visit = (e: Expr): Float64Array => {
    const known = memo.get(e) ?? compute(e);
    memo.set(e, known);
    return known;
  };
  return visit(precision === 'f32' ? expandCalls(expr) : expr);
}

/** Elementwise over a list: the value of an expression in the input `x` at each of them. */
export function evaluateAt(expr: Expr, x: ArrayLike<number>, precision: Precision = 'f32'): Float64Array {
  return evaluate(expr, { rows: 1, columns: x.length, inputs: { x } }, precision);
}
