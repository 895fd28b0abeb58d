/**
 * Constant folding and identities of lane expressions. Folding rounds as the lanes do. The identities treat a written
 * zero as structural: x·0 is 0 and x + 0 is x, whatever x is (a NaN, an infinity or −0 included), as differentiation
 * wants it. Nothing is reordered: float addition is not associative.
 */
import type { BinaryOp, Expr, UnaryOp } from './expr.ts';
import { constant, mul, neg, select } from './expr.ts';
import { rewrite } from './rewrite.ts';

const foldUnary: Readonly<Record<UnaryOp, (a: number) => number>> = {
  neg: (a) => -a,
  abs: (a) => Math.abs(a),
  sqrt: (a) => Math.sqrt(a),
  floor: (a) => Math.floor(a),
  nearest: (a) => {
    const down = Math.floor(a);
    const rest = a - down;
    if (rest === 0.5) return down % 2 === 0 ? down : down + 1;
    return rest < 0.5 ? down : down + 1;
  },
};

const foldBinary: Readonly<Record<BinaryOp, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  // biome-ignore lint/complexity/useMathMinMax: the lanes' min returns its second operand on NaN
  min: (a, b) => (a < b ? a : b),
  // biome-ignore lint/complexity/useMathMinMax: the lanes' max returns its second operand on NaN
  max: (a, b) => (a > b ? a : b),
};

const isUnary = (op: Expr['op']): op is UnaryOp => op in foldUnary;
const is = (e: Expr, value: number): boolean => e.op === 'const' && e.value === value;

type BinaryNode = { readonly op: BinaryOp; readonly a: Expr; readonly b: Expr };

function simplifyBinary(e: BinaryNode): Expr {
  const { a, b } = e;
  if (a.op === 'const' && b.op === 'const') return constant(foldBinary[e.op](a.value, b.value));
  switch (e.op) {
    case 'add':
      if (is(a, 0)) return b;
      return is(b, 0) ? a : e;
    case 'sub':
      if (is(a, 0)) return negated(b);
      return is(b, 0) ? a : e;
    case 'mul':
      return simplifyProduct(e, a, b);
    case 'div':
      if (is(a, 0)) return a;
      if (is(b, -1)) return negated(a);
      return is(b, 1) ? a : e;
    case 'min':
    case 'max':
      return a === b ? a : e;
    default:
      return e;
  }
}

function simplifyProduct(e: Expr, a: Expr, b: Expr): Expr {
  if (is(a, 0) || is(b, 0)) return constant(0);
  if (is(a, 1)) return b;
  if (is(b, 1)) return a;
  if (is(a, -1)) return negated(b);
  if (is(b, -1)) return negated(a);
  // A product with an indicator is a choice.
  return asChoice(a, b) ?? asChoice(b, a) ?? e;
}

function asChoice(indicator: Expr, factor: Expr): Expr | null {
  if (indicator.op !== 'select') return null;
  const plain = (e: Expr): boolean => is(e, 0) || is(e, 1);
  if (!plain(indicator.a) || !plain(indicator.b)) return null;
  return select(
    indicator.mask,
    simplifyNode(mul(factor, indicator.a)),
    simplifyNode(mul(factor, indicator.b)),
  );
}

const negated = (e: Expr): Expr => {
  if (e.op === 'neg') return e.a;
  return e.op === 'const' ? constant(-e.value) : neg(e);
};

/** One node whose operands are simple already. */
function simplifyNode(e: Expr): Expr {
  if (e.op === 'neg') return negated(e.a);
  if (isUnary(e.op) && 'a' in e && e.a.op === 'const') return constant(foldUnary[e.op](e.a.value));
  if (isBinaryNode(e)) return simplifyBinary(e);
  if (e.op === 'select' && (e.a === e.b || sameConstant(e.a, e.b))) return e.a;
  if (e.op === 'reduce' && e.fn === 'sum' && is(e.a, 0)) return e.a;
  return e;
}

const isBinaryNode = (e: Expr): e is BinaryNode => e.op in foldBinary;
const sameConstant = (a: Expr, b: Expr): boolean =>
  a.op === 'const' && b.op === 'const' && Object.is(a.value, b.value);

export function simplify(e: Expr): Expr {
  return rewrite(e, simplifyNode);
}
