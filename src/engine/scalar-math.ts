/**
 * Deterministic f64 exp, log, sin and cos for what is computed outside lane expressions (schedules, random normals).
 * Only + − × ÷ and bit patterns are used, so every engine gives the same bits; errors stay below 1 ulp.
 *
 * The algorithms and constants are those of fdlibm's e_exp.c, e_log.c, k_sin.c, k_cos.c and e_rem_pio2.c:
 * "Copyright (C) 1993 by Sun Microsystems, Inc. All rights reserved. Developed at SunPro, a Sun Microsystems, Inc.
 * business. Permission to use, copy, modify, and distribute this software is freely granted, provided that this
 * notice is preserved."
 */
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;

const view = new DataView(new ArrayBuffer(8));
const highWord = (x: number): number => {
  view.setFloat64(0, x);
  return view.getInt32(0);
};
const withHighWord = (x: number, high: number): number => {
  view.setFloat64(0, x);
  view.setInt32(0, high);
  return view.getFloat64(0);
};
/** 2^n for a normal result, −1022 ≤ n ≤ 1023. */
const powerOfTwo = (n: number): number => withHighWord(0, (n + 1023) << 20);

/** eˣ. Overflows to +Infinity above 709.78…, underflows gradually to 0 below −708.4. */
export function exp(x: number): number {
  if (Number.isNaN(x)) return x;
  if (x > 709.782712893384) return Infinity;
  if (x < -745.1332191019411) return 0;
  const k = Math.floor(x * Math.LOG2E + 0.5);
  const high = x - k * LN2_HIGH;
  const low = k * LN2_LOW;
  const r = high - low;
  const t = r * r;
  const c =
    r -
    t *
      (0.16666666666666602 +
        t *
          (-0.0027777777777015593 +
            t * (6.613756321437934e-5 + t * (-1.6533902205465252e-6 + t * 4.1381367970572385e-8))));
  const y = 1 - (low - (r * c) / (2 - c) - high);
  // Two factors keep each power of two normal when the result overflows towards 2^1024 or is denormal.
  const half = Math.floor(k / 2);
  return y * powerOfTwo(half) * powerOfTwo(k - half);
}

/** Natural logarithm. log(0) = −Infinity, log of a negative number is NaN. */
export function log(x: number): number {
  if (Number.isNaN(x) || x < 0) return NaN;
  if (x === 0) return -Infinity;
  if (x === Infinity) return x;
  const denormal = x < 2.2250738585072014e-308;
  const scaled = denormal ? x * 18014398509481984 : x;
  const word = highWord(scaled);
  const mantissa = word & 0xfffff;
  // Brings the argument into [√2/2, √2).
  const carry = (mantissa + 0x95f64) & 0x100000;
  const k = (word >> 20) - 1023 + (carry >> 20) - (denormal ? 54 : 0);
  const f = withHighWord(scaled, mantissa | (carry ^ 0x3ff00000)) - 1;
  const s = f / (2 + f);
  const z = s * s;
  const w = z * z;
  const even = w * (0.3999999999940942 + w * (0.22222198432149784 + w * 0.15313837699209373));
  const odd =
    z * (0.6666666666666735 + w * (0.2857142874366239 + w * (0.1818357216161805 + w * 0.14798198605116586)));
  const halfSquare = 0.5 * f * f;
  return k * LN2_HIGH - (halfSquare - (s * (halfSquare + (even + odd)) + k * LN2_LOW) - f);
}

const PIO2_1 = 1.5707963267341256;
const PIO2_2 = 6.077100506303966e-11;
const PIO2_2_TAIL = 2.0222662487959506e-21;
/** Up to here the reduction by three-part π/2 is accurate to the last bit. */
const REDUCTION_LIMIT = 823549;

/** x = quadrant·π/2 + (high + low), |high| ≤ π/4. */
function reduce(x: number): { quadrant: number; high: number; low: number } {
  if (!(Math.abs(x) <= REDUCTION_LIMIT)) throw new RangeError(`angle out of range: ${x}`);
  const n = Math.floor(x * 0.6366197723675814 + 0.5);
  const first = x - n * PIO2_1;
  const step = n * PIO2_2;
  const r = first - step;
  const w = n * PIO2_2_TAIL - (first - r - step);
  const high = r - w;
  return { quadrant: n & 3, high, low: r - high - w };
}

function kernelSin(x: number, tail: number): number {
  const z = x * x;
  const v = z * x;
  const r =
    0.00833333333332249 +
    z *
      (-0.0001984126982985795 +
        z * (2.7557313707070068e-6 + z * (-2.5050760253406863e-8 + z * 1.58969099521155e-10)));
  return x - (z * (0.5 * tail - v * r) - tail - v * -0.16666666666666632);
}

function kernelCos(x: number, tail: number): number {
  const z = x * x;
  const r =
    z *
    (0.0416666666666666 +
      z *
        (-0.001388888888887411 +
          z *
            (2.480158728947673e-5 +
              z * (-2.7557314351390663e-7 + z * (2.087572321298175e-9 + z * -1.1359647557788195e-11)))));
  const half = 0.5 * z;
  const w = 1 - half;
  return w + (1 - w - half + (z * r - x * tail));
}

const rotated = (quadrant: number, high: number, low: number): number => {
  const value = quadrant & 1 ? kernelCos(high, low) : kernelSin(high, low);
  return quadrant & 2 ? -value : value;
};

/** Sine of an angle in radians, |x| ≤ 823549 (2^19 · π/2); RangeError beyond. */
export function sin(x: number): number {
  const { quadrant, high, low } = reduce(x);
  return rotated(quadrant, high, low);
}

/** Cosine of an angle in radians, |x| ≤ 823549 (2^19 · π/2); RangeError beyond. */
export function cos(x: number): number {
  const { quadrant, high, low } = reduce(x);
  return rotated(quadrant + 1, high, low);
}

/** base^n for a whole n ≥ 0, by squaring: about log₂ n roundings deep. */
export function powInt(base: number, n: number): number {
  if (!Number.isSafeInteger(n) || n < 0) throw new RangeError(`exponent must be a whole number: ${n}`);
  let result = 1;
  let square = base;
  for (let left = n; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result *= square;
    square *= square;
  }
  return result;
}
