/**
 * The engine's lane-expression language: what one element of a [rows × columns] domain is computed from.
 * Every activation, loss, optimiser and normalisation is written in it; nothing here evaluates anything.
 *
 * Arithmetic is IEEE-754 binary32, round to nearest even, denormals kept, multiply and add never fused.
 * `min`/`max` mean `a < b ? a : b` and `a > b ? a : b` (x86 MINPS/MAXPS; WASM pmin/pmax with operands swapped).
 * Integer operations wrap at 32 bits. Masks are the results of comparisons and are consumed by `select` only.
 */

/** How far a value spreads over the domain: one for all, one per row, one per column, one per element. */
export type Extent = 'scalar' | 'row' | 'col' | 'full';
export type LaneType = 'f32' | 'i32' | 'mask';

export type UnaryOp = 'neg' | 'abs' | 'sqrt' | 'floor' | 'nearest';
export type BinaryOp = 'add' | 'sub' | 'mul' | 'div' | 'min' | 'max';
export type CompareOp = 'lt' | 'le' | 'gt' | 'ge' | 'eq' | 'ne';
export type IntOp = 'iadd' | 'isub' | 'imul' | 'iand' | 'ior' | 'ixor';
export type ShiftOp = 'ishl' | 'ishr' | 'iushr';
/** Named functions with a fixed expansion into the primitive operations; see math.ts. */
export type FunctionName = 'exp' | 'log' | 'tanh';
export type ReduceFn = 'sum' | 'max';

export type Expr =
  | { readonly op: 'const'; readonly value: number }
  | { readonly op: 'iconst'; readonly value: number }
  | { readonly op: 'input'; readonly name: string; readonly extent: Extent }
  /** The element's own row or column in the domain, from 0: an integer. Counters of random numbers are made of it. */
  | { readonly op: 'index'; readonly axis: 'row' | 'col' }
  | { readonly op: UnaryOp; readonly a: Expr }
  | { readonly op: BinaryOp | CompareOp | IntOp; readonly a: Expr; readonly b: Expr }
  | { readonly op: ShiftOp; readonly a: Expr; readonly by: number }
  | { readonly op: 'select'; readonly mask: Expr; readonly a: Expr; readonly b: Expr }
  /** The bits of a float as an integer, the float of some bits, and the float nearest to a signed integer. */
  | { readonly op: 'bits' | 'float' | 'convert'; readonly a: Expr }
  | { readonly op: 'call'; readonly fn: FunctionName; readonly a: Expr }
  /** The same value, seen as a constant by differentiation. */
  | { readonly op: 'stop'; readonly a: Expr }
  /** Reduces a `full` value to one per row (`to: 'row'`, over the columns) or one per column (`to: 'col'`). */
  | { readonly op: 'reduce'; readonly fn: ReduceFn; readonly to: 'row' | 'col'; readonly a: Expr };

export type Operand = Expr | number;

const f32 = Math.fround;
export const constant = (value: number): Expr => ({ op: 'const', value: f32(value) });
export const integer = (value: number): Expr => ({ op: 'iconst', value: value | 0 });
export const input = (name: string, extent: Extent = 'full'): Expr => ({ op: 'input', name, extent });
export const index = (axis: 'row' | 'col'): Expr => ({ op: 'index', axis });
/** A number becomes the nearest f32 constant. */
export const lift = (x: Operand): Expr => (typeof x === 'number' ? constant(x) : x);

const unary =
  (op: UnaryOp) =>
  (a: Operand): Expr => ({ op, a: lift(a) });
const binary =
  (op: BinaryOp | CompareOp) =>
  (a: Operand, b: Operand): Expr => ({ op, a: lift(a), b: lift(b) });
const int =
  (op: IntOp) =>
  (a: Expr, b: Expr): Expr => ({ op, a, b });
const shift =
  (op: ShiftOp) =>
  (a: Expr, by: number): Expr => ({ op, a, by });

export const neg = unary('neg');
export const abs = unary('abs');
export const sqrt = unary('sqrt');
export const floor = unary('floor');
/** Round half to even. */
export const nearest = unary('nearest');
export const add = binary('add');
export const sub = binary('sub');
export const mul = binary('mul');
export const div = binary('div');
export const min = binary('min');
export const max = binary('max');
export const lt = binary('lt');
export const le = binary('le');
export const gt = binary('gt');
export const ge = binary('ge');
export const eq = binary('eq');
export const ne = binary('ne');
export const iadd = int('iadd');
export const isub = int('isub');
export const imul = int('imul');
export const iand = int('iand');
export const ior = int('ior');
export const ixor = int('ixor');
export const ishl = shift('ishl');
export const ishr = shift('ishr');
export const iushr = shift('iushr');
export const select = (mask: Expr, a: Operand, b: Operand): Expr => ({
  op: 'select',
  mask,
  a: lift(a),
  b: lift(b),
});
export const bits = (a: Operand): Expr => ({ op: 'bits', a: lift(a) });
export const floatFromBits = (a: Expr): Expr => ({ op: 'float', a });
export const convert = (a: Expr): Expr => ({ op: 'convert', a });
export const call = (fn: FunctionName, a: Operand): Expr => ({ op: 'call', fn, a: lift(a) });
export const exp = (a: Operand): Expr => call('exp', a);
export const log = (a: Operand): Expr => call('log', a);
export const tanh = (a: Operand): Expr => call('tanh', a);
export const stopGradient = (a: Operand): Expr => ({ op: 'stop', a: lift(a) });
const reduce =
  (fn: ReduceFn, to: 'row' | 'col') =>
  (a: Operand): Expr => ({ op: 'reduce', fn, to, a: lift(a) });
/** Sum and maximum over the columns of each row. */
export const rowSum = reduce('sum', 'row');
export const rowMax = reduce('max', 'row');
/** Sum and maximum over the rows of each column. */
export const colSum = reduce('sum', 'col');
export const colMax = reduce('max', 'col');

/** The direct operands of a node, in order. */
export function operands(e: Expr): readonly Expr[] {
  if (e.op === 'select') return [e.mask, e.a, e.b];
  if ('b' in e) return [e.a, e.b];
  if ('a' in e) return [e.a];
  return [];
}

const COMPARE = new Set<string>(['lt', 'le', 'gt', 'ge', 'eq', 'ne']);
const INT = new Set<string>([
  'iconst',
  'index',
  'iadd',
  'isub',
  'imul',
  'iand',
  'ior',
  'ixor',
  'ishl',
  'ishr',
  'iushr',
  'bits',
]);

export function laneType(e: Expr): LaneType {
  if (COMPARE.has(e.op)) return 'mask';
  if (INT.has(e.op)) return 'i32';
  if (e.op === 'select') return laneType(e.a);
  return 'f32';
}

/** The smallest extent that covers both. */
export function joinExtent(a: Extent, b: Extent): Extent {
  if (a === b || b === 'scalar') return a;
  return a === 'scalar' ? b : 'full';
}

export function extentOf(e: Expr, memo = new Map<Expr, Extent>()): Extent {
  const known = memo.get(e);
  if (known !== undefined) return known;
  let extent: Extent = 'scalar';
  if (e.op === 'input') extent = e.extent;
  else if (e.op === 'index') extent = e.axis;
  else if (e.op === 'reduce') extent = e.to;
  else for (const o of operands(e)) extent = joinExtent(extent, extentOf(o, memo));
  memo.set(e, extent);
  return extent;
}
