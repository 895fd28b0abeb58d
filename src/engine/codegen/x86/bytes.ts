/** Machine code under construction: bytes, labels, and the constants that lie behind the code. */
import type { Label, Mem } from './operands.ts';

const UNBOUND = -1;
const CONSTANT_BYTES = 64;
const CONSTANT_LANES = CONSTANT_BYTES / 4;

export interface CodeBytes {
  /** How many bytes there are. */
  here(): number;
  byte(value: number): void;
  int32(value: number): void;
  int64(value: bigint): void;
  label(): Label;
  bind(label: Label): void;
  /** A 32-bit distance to a label, counted from `trailing` bytes behind it. */
  relative(label: Label, addend: number, trailing: number): void;
  /** 16 lanes of 32 bits, on 64 bytes; equal ones are kept once. */
  constant(lanes: readonly number[]): Mem;
  /** A constant of the same 32 bits in every lane. */
  replicated(bits: number): Mem;
  /** No operation, until the position is a multiple. */
  align(to: number): void;
  /** The code with its constants behind it; nothing may be added afterwards. */
  finish(): Uint8Array<ArrayBuffer>;
}

/** Intel's recommended no-operations by length. */
const NOPS: readonly (readonly number[])[] = [
  [],
  [0x90],
  [0x66, 0x90],
  [0x0f, 0x1f, 0x00],
  [0x0f, 0x1f, 0x40, 0x00],
  [0x0f, 0x1f, 0x44, 0x00, 0x00],
  [0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
  [0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
  [0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
];

export function createCodeBytes(): CodeBytes {
  let bytes = new Uint8Array(1 << 14);
  let view = new DataView(bytes.buffer);
  let position = 0;
  const references: { at: number; label: Label; addend: number }[] = [];
  const constants = new Map<string, { label: Label; lanes: readonly number[] }>();
  const replications = new Map<number, Mem>();

  const reserve = (count: number): void => {
    if (position + count <= bytes.length) return;
    const grown = new Uint8Array(Math.max(bytes.length * 2, position + count));
    grown.set(bytes);
    bytes = grown;
    view = new DataView(bytes.buffer);
  };
  const byte = (value: number): void => {
    reserve(1);
    bytes[position++] = value;
  };
  const int32 = (value: number): void => {
    reserve(4);
    view.setInt32(position, value, true);
    position += 4;
  };
  const label = (): Label => ({ position: UNBOUND });
  const bind = (l: Label): void => {
    if (l.position !== UNBOUND) throw new Error('a label is bound twice');
    l.position = position;
  };
  const align = (to: number): void => {
    for (let left = (to - (position % to)) % to; left > 0; ) {
      const nop = NOPS[Math.min(left, NOPS.length - 1)] ?? [];
      nop.forEach(byte);
      left -= nop.length;
    }
  };

  const constant = (lanes: readonly number[]): Mem => {
    const key = lanes.join();
    const known = constants.get(key) ?? { label: label(), lanes };
    constants.set(key, known);
    return { base: known.label, disp: 0 };
  };

  return {
    here: () => position,
    byte,
    int32,
    int64(value) {
      reserve(8);
      view.setBigInt64(position, value, true);
      position += 8;
    },
    label,
    bind,
    relative(target, addend, trailing) {
      references.push({ at: position, label: target, addend: addend - 4 - trailing });
      int32(0);
    },
    constant,
    replicated(bits) {
      const known = replications.get(bits) ?? constant(new Array<number>(CONSTANT_LANES).fill(bits));
      replications.set(bits, known);
      return known;
    },
    align,
    finish() {
      align(CONSTANT_BYTES);
      for (const c of constants.values()) {
        bind(c.label);
        c.lanes.forEach(int32);
      }
      for (const r of references) {
        if (r.label.position === UNBOUND) throw new Error('a label was never bound');
        view.setInt32(r.at, r.label.position + r.addend - r.at, true);
      }
      return bytes.slice(0, position);
    },
  };
}
