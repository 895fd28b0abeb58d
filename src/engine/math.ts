/**
 * exp, log and tanh as f32 lane expressions: what they expand to, and their derivatives.
 * Only separate multiplies and adds, integer operations and selects are used, so every back end gives the same bits.
 */
import type { Expr, FunctionName } from './expr.ts';
import {
  abs,
  add,
  bits,
  constant,
  convert,
  div,
  eq,
  floatFromBits,
  gt,
  iadd,
  iand,
  integer,
  ishl,
  ishr,
  isub,
  ixor,
  lt,
  max,
  min,
  mul,
  select,
  sub,
} from './expr.ts';
import { rewrite } from './rewrite.ts';

/** Σ coefficients[i]·x^(n−1−i), highest power first, by Horner's rule. */
const polynomial = (x: Expr, coefficients: readonly number[]): Expr =>
  coefficients.slice(1).reduce<Expr>((sum, c) => add(mul(sum, x), c), constant(coefficients[0] ?? 0));

/** Adding 1.5·2^23 rounds to a whole number, half to even, and leaves it in the low bits. */
const ROUNDING_SHIFT = 12582912;
const ROUNDING_SHIFT_BITS = 0x4b400000;

/**
 * x = n·ln 2 + r with ln 2 in two parts (the first has 9 bits: n times it is exact): eʳ by a polynomial (Cephes expf,
 * S. Moshier), and the float whose low bits are n.
 */
function exponentParts(x: Expr): { y: Expr; shifted: Expr } {
  const shifted = add(mul(x, Math.LOG2E), ROUNDING_SHIFT);
  const n = sub(shifted, ROUNDING_SHIFT);
  const r = sub(sub(x, mul(n, 0.693359375)), mul(n, -2.1219444e-4));
  const tail = polynomial(
    r,
    [1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1],
  );
  return { y: add(add(mul(mul(r, r), tail), r), 1), shifted };
}

/** eˣ within 1 ulp. exp(NaN) = NaN, exp(−∞) = 0, exp(x) = +∞ above 88.7228; denormal results are rounded once. */
export function expandExp(x: Expr): Expr {
  // Constant first: min and max return their second operand when either is NaN.
  const { y, shifted } = exponentParts(min(89, max(-104, x)));
  // 2^n as two factors: each stays a normal number although the result may be denormal or overflow.
  const whole = isub(bits(shifted), integer(ROUNDING_SHIFT_BITS));
  const half = ishr(whole, 1);
  const power = (k: Expr): Expr => floatFromBits(ishl(iadd(k, integer(127)), 23));
  return mul(mul(y, power(half)), power(isub(whole, half)));
}

const ONE_BITS = 0x3f800000;
const SIGN_BIT = -0x80000000;

/** The same for 0 ≤ x ≤ 88, where one factor will do: of `shifted`, the shift leaves n. */
function expandExpNear(x: Expr): Expr {
  const { y, shifted } = exponentParts(x);
  return mul(y, floatFromBits(iadd(ishl(bits(shifted), 23), integer(ONE_BITS))));
}

const SQRT_HALF_BITS = 0x3f3504f3;
const SMALLEST_NORMAL = 2 ** -126;

/**
 * Natural logarithm within 1 ulp. log(0) = −∞, log(x < 0) = NaN, log(+∞) = +∞, log(NaN) = NaN; denormals count.
 * x = 2^k·(1 + f) with 1 + f in [√½, √2), then log(1 + f) in s = f/(2 + f).
 * Coefficients: FreeBSD's e_logf.c (fdlibm, Sun Microsystems).
 */
export function expandLog(x: Expr): Expr {
  const denormal = lt(x, SMALLEST_NORMAL);
  const offset = isub(bits(select(denormal, mul(x, 2 ** 23), x)), integer(SQRT_HALF_BITS));
  const k = sub(convert(ishr(offset, 23)), select(denormal, 23, 0));
  const f = sub(floatFromBits(iadd(iand(offset, integer(0x7fffff)), integer(SQRT_HALF_BITS))), 1);
  const s = div(f, add(f, 2));
  const z = mul(s, s);
  const w = mul(z, z);
  const even = mul(w, add(mul(w, 0.24279078841), 0.40000972152));
  const odd = mul(z, add(mul(w, 0.28498786688), 0.66666662693));
  const halfSquare = mul(mul(f, f), 0.5);
  const small = add(mul(s, add(halfSquare, add(even, odd))), mul(k, 9.0580006145e-6));
  const y = add(add(sub(small, halfSquare), f), mul(k, 6.9313812256e-1));
  const atEdge = select(eq(x, 0), -Infinity, NaN);
  return select(lt(x, Infinity), select(gt(x, 0), y, atEdge), x);
}

/**
 * tanh within 2 ulp, odd, never beyond ±1, exactly ±1 from |x| = 9.02 on; tanh(NaN) = NaN, tanh(±0) = +0.
 * Near 0 an odd polynomial (Cephes tanhf, S. Moshier), elsewhere 1 − 2/(e^2|x| + 1) with the sign put back.
 */
export function expandTanh(x: Expr): Expr {
  const size = abs(x);
  const z = mul(x, x);
  const p = polynomial(
    z,
    [-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1],
  );
  // e^20 is so large already that the quotient vanishes beside 1.
  const large = sub(1, div(2, add(expandExpNear(min(20, add(size, size))), 1)));
  const signed = floatFromBits(ixor(bits(large), iand(bits(x), integer(SIGN_BIT))));
  return select(lt(size, 0.625), add(mul(mul(p, z), x), x), signed);
}

interface LaneFunction {
  expand(x: Expr): Expr;
  /** dy/dx, given the argument and the value. */
  derivative(x: Expr, y: Expr): Expr;
}

export const laneFunctions: Readonly<Record<FunctionName, LaneFunction>> = {
  exp: { expand: expandExp, derivative: (_, y) => y },
  log: { expand: expandLog, derivative: (x) => div(1, x) },
  tanh: { expand: expandTanh, derivative: (_, y) => sub(1, mul(y, y)) },
};

/** The same expression with every exp, log and tanh written out in primitive operations. Shared nodes stay shared. */
export function expandCalls(e: Expr): Expr {
  return rewrite(e, (node) => (node.op === 'call' ? laneFunctions[node.fn].expand(node.a) : node));
}
