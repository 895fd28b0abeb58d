/** VEX and EVEX encodings of vector instructions: which one is needed, and its bytes. */
import type { CodeBytes } from './bytes.ts';
import { baseOf, emitModRm, indexOf } from './modrm.ts';
import type { Mem, Vec } from './operands.ts';
import { isMem } from './operands.ts';

/** 128, 256 or 512 bits. */
export type Length = 0 | 1 | 2;

/** Bytes that a memory operand of an EVEX instruction has, hence the unit of its short displacements. */
export type Tuple = 'full' | 'scalar' | 'quarter' | 'half';

export interface Opcode {
  readonly map: 1 | 2 | 3;
  readonly prefix: 0 | 1 | 2 | 3;
  readonly opcode: number;
  /** W of the EVEX form; VEX forms here all have W = 0. */
  readonly evexW?: 0 | 1;
  readonly tuple?: Tuple;
  /** Exists in one of the two forms only. */
  readonly only?: 'vex' | 'evex';
}

export interface Operands {
  readonly length: Length;
  /** The register in ModRM.reg, or an opcode extension. */
  readonly reg: Vec;
  /** The register in VEX.vvvv. */
  readonly other?: Vec;
  readonly rm: Vec | Mem;
  /** Bytes behind ModRM and displacement: an immediate or a fourth register. */
  readonly immediate?: number;
  /** k1 … k7: elements whose bit is clear are left alone, or zeroed. */
  readonly mask?: number;
  readonly zeroing?: boolean;
  /** The memory operand is one element for all lanes. */
  readonly broadcast?: boolean;
}

const VECTOR_BYTES = [16, 32, 64] as const;
const FLOAT_BYTES = 4;
const bit = (n: number, place: number): number => ((n >> place) & 1) ^ 1;

export function emitVector(code: CodeBytes, op: Opcode, o: Operands): void {
  const needsEvex =
    op.only === 'evex' ||
    o.length === 2 ||
    o.mask !== undefined ||
    o.broadcast === true ||
    o.reg > 15 ||
    (o.other ?? 0) > 15 ||
    (!isMem(o.rm) && o.rm > 15);
  if (needsEvex && op.only === 'vex') throw new Error('an instruction has no EVEX form');
  if (needsEvex) emitEvex(code, op, o);
  else emitVex(code, op, o);
  if (o.immediate !== undefined) code.byte(o.immediate);
}

function emitVex(code: CodeBytes, op: Opcode, o: Operands): void {
  const b = isMem(o.rm) ? baseOf(o.rm) : o.rm;
  const x = isMem(o.rm) ? indexOf(o.rm) : 0;
  const tail = ((~(o.other ?? 0) & 15) << 3) | (o.length << 2) | op.prefix;
  if (op.map === 1 && b < 8 && x < 8) {
    code.byte(0xc5);
    code.byte((bit(o.reg, 3) << 7) | tail);
  } else {
    code.byte(0xc4);
    code.byte((bit(o.reg, 3) << 7) | (bit(x, 3) << 6) | (bit(b, 3) << 5) | op.map);
    code.byte(tail);
  }
  code.byte(op.opcode);
  emitModRm(code, o.reg, o.rm, { trailing: o.immediate === undefined ? 0 : 1 });
}

function unitOf(tuple: Tuple, length: Length, broadcast: boolean): number {
  if (broadcast) return FLOAT_BYTES;
  switch (tuple) {
    case 'full':
      return VECTOR_BYTES[length];
    case 'half':
      return VECTOR_BYTES[length] / 2;
    case 'quarter':
      return 16;
    case 'scalar':
      return FLOAT_BYTES;
    default:
      return tuple satisfies never;
  }
}

function emitEvex(code: CodeBytes, op: Opcode, o: Operands): void {
  const { rm } = o;
  const b = isMem(rm) ? baseOf(rm) : rm;
  // A register operand's fifth bit goes where an index would have its fourth.
  const x = isMem(rm) ? bit(indexOf(rm), 3) : bit(rm, 4);
  const other = o.other ?? 0;
  const broadcast = o.broadcast === true;
  code.byte(0x62);
  code.byte((bit(o.reg, 3) << 7) | (x << 6) | (bit(b, 3) << 5) | (bit(o.reg, 4) << 4) | op.map);
  code.byte(((op.evexW ?? 0) << 7) | ((~other & 15) << 3) | 4 | op.prefix);
  const zeroing = o.zeroing === true ? 0x80 : 0;
  code.byte(zeroing | (o.length << 5) | (broadcast ? 0x10 : 0) | (bit(other, 4) << 3) | (o.mask ?? 0));
  code.byte(op.opcode);
  emitModRm(code, o.reg, rm, {
    trailing: o.immediate === undefined ? 0 : 1,
    unit: unitOf(op.tuple ?? 'full', o.length, broadcast),
  });
}
