/** Distances between floats for accuracy tests. */

/** The spacing of f32 numbers at |x| (at least the smallest denormal's). */
export function ulp32(x: number): number {
  const exponent = Math.max(Math.floor(Math.log2(Math.max(Math.abs(x), 2 ** -126))), -126);
  return 2 ** (exponent - 23);
}

/** The spacing of f64 numbers at |x|. */
export function ulp64(x: number): number {
  const exponent = Math.max(Math.floor(Math.log2(Math.max(Math.abs(x), 2 ** -1022))), -1022);
  return 2 ** (exponent - 52);
}
