/** ⌊log₂ n⌋ of a whole number from 1 to 2³² − 1, exactly, which no library function promises; −1 for 0. */
export const log2 = (n: number): number => 31 - Math.clz32(n);
