/** ModRM, SIB and displacement bytes: the second half of every instruction's encoding. */
import { log2 } from '../log2.ts';
import type { CodeBytes } from './bytes.ts';
import type { Mem } from './operands.ts';
import { isMem, rsp } from './operands.ts';

const SIB_FOLLOWS = 4;
const NO_INDEX = 4;
/** Base numbers that need a displacement even of zero: rbp and r13. */
const NEEDS_DISPLACEMENT = 5;
const low = (register: number): number => register & 7;
const fitsByte = (n: number): boolean => n >= -128 && n <= 127;

export const baseOf = (m: Mem): number => (typeof m.base === 'number' ? m.base : 0);
export const indexOf = (m: Mem): number => m.index ?? 0;

/**
 * `trailing`: bytes of the instruction behind the displacement. `unit`: what a one-byte displacement counts in
 * (EVEX compresses it).
 */
export function emitModRm(
  code: CodeBytes,
  reg: number,
  rm: number | Mem,
  { trailing = 0, unit = 1 }: { readonly trailing?: number; readonly unit?: number } = {},
): void {
  const field = low(reg) << 3;
  if (!isMem(rm)) {
    code.byte(0xc0 | field | low(rm));
    return;
  }
  if (typeof rm.base !== 'number') {
    if (rm.index !== undefined) throw new Error('a label cannot be indexed');
    code.byte(field | 5);
    code.relative(rm.base, rm.disp, trailing);
    return;
  }
  const compressed = rm.disp / unit;
  const short = Number.isInteger(compressed) && fitsByte(compressed);
  const bare = rm.disp === 0 && low(rm.base) !== NEEDS_DISPLACEMENT;
  const mode = bare ? 0 : short ? 0x40 : 0x80;
  if (rm.index !== undefined || low(rm.base) === SIB_FOLLOWS) {
    if (rm.index === rsp) throw new Error('rsp cannot be an index');
    code.byte(mode | field | SIB_FOLLOWS);
    const scale = log2(rm.scale ?? 1);
    code.byte((scale << 6) | (low(rm.index ?? NO_INDEX) << 3) | low(rm.base));
  } else code.byte(mode | field | low(rm.base));
  if (bare) return;
  if (short) code.byte(compressed & 0xff);
  else code.int32(rm.disp);
}
