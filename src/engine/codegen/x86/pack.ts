/** Packs a group of columns of a transposed B into the thread's scratch, by transpositions of 8 × 8 in registers. */
import type { BufferInfo } from '../../kernels.ts';
import { VIRTUAL_LANES } from '../../kernels.ts';
import { repeat } from './amounts.ts';
import type { Gp, Mem, Vec } from './operands.ts';
import { at, offset, r8, rcx, rdx } from './operands.ts';
import type { Target } from './target.ts';
import { BLOCK_BYTES, blockOffset, FLOAT_BYTES, rowBytes } from './target.ts';

const SIDE = 8;
const QUARTER_BYTES = 16;
const FROM: Gp = rcx;
const TO: Gp = rdx;

export interface Packing {
  readonly b: BufferInfo;
  readonly k: number;
  /** Rows of B in the group. */
  readonly rows: number;
  /** From one block of the scratch to the next. */
  readonly blockBytes: number;
}

/** Bytes of scratch: the blocks of the group one after another, each k × 16. */
export const packedBlockBytes = (k: number): number => k * BLOCK_BYTES;

/**
 * `from` is the address of the group's first row in B's first panel, `to` that of the scratch; both are kept. Rows of B
 * that the group lacks are copies of its last one: columns that do not exist. Clobbers rcx, rdx, r8 and vectors 0 … 15.
 */
export function emitPack(target: Target, { b, k, rows, blockBytes }: Packing, from: Gp, to: Gp): void {
  const { asm, plan } = target;
  const line = rowBytes(target);
  const blocksPerPanel = plan.panel / VIRTUAL_LANES;
  /** All rows of B, 16 of its columns: `columns` of them exist. */
  const columnsOf = (source: Mem, sink: Mem, columns: number): void => {
    for (let row = 0; row < rows; row += SIDE) {
      const block = Math.floor(row / VIRTUAL_LANES);
      const inBlock = (row - block * VIRTUAL_LANES) * FLOAT_BYTES;
      for (let c = 0; c < columns; c += SIDE) {
        transpose(
          target,
          { from: offset(source, row * line + c * FLOAT_BYTES), line, rows: Math.min(SIDE, rows - row) },
          offset(sink, block * blockBytes + inBlock + c * BLOCK_BYTES),
          Math.min(SIDE, columns - c),
        );
      }
    }
  };
  const panelOf = (source: Mem, sink: Mem, columns: number): void => {
    for (let block = 0; block < blocksPerPanel && block * VIRTUAL_LANES < columns; block++) {
      const present = Math.min(VIRTUAL_LANES, columns - block * VIRTUAL_LANES);
      columnsOf(
        offset(source, block * BLOCK_BYTES),
        offset(sink, block * VIRTUAL_LANES * BLOCK_BYTES),
        present,
      );
    }
  };
  const panels = Math.floor(k / plan.panel);
  const rest = k - panels * plan.panel;
  if (panels <= 1) {
    for (let p = 0; p < panels; p++)
      panelOf(at(from, blockOffset(target, b.capacityRows, p * blocksPerPanel)), at(to), plan.panel);
    if (rest > 0)
      panelOf(at(from, panels * b.capacityRows * line), at(to, panels * plan.panel * BLOCK_BYTES), rest);
    return;
  }
  asm.mov(FROM, from);
  asm.mov(TO, to);
  asm.movImmediate(r8, panels);
  repeat(
    target,
    r8,
    () => {
      panelOf(at(FROM), at(TO), plan.panel);
      asm.opImmediate('add', FROM, b.capacityRows * line);
      asm.opImmediate('add', TO, plan.panel * BLOCK_BYTES);
    },
    panels,
  );
  if (rest > 0) panelOf(at(FROM), at(TO), rest);
}

/** Up to 8 rows × 8 columns; the halves of a register hold rows i and i + 4. */
function transpose(
  { asm }: Target,
  given: { readonly from: Mem; readonly line: number; readonly rows: number },
  to: Mem,
  columns: number,
): void {
  const row = (i: number): Mem => offset(given.from, Math.min(i, given.rows - 1) * given.line);
  for (let half = 0; half * 4 < columns; half++) {
    const r = (i: number): Vec => half * SIDE + i;
    for (let i = 0; i < 4; i++) {
      asm.xmm.two('vmovups', r(i), offset(row(i), half * QUARTER_BYTES));
      asm.ymm.threeImmediate('vinsertf128', r(i), r(i), offset(row(i + 4), half * QUARTER_BYTES), 1);
    }
    asm.ymm.three('vunpcklps', r(4), r(0), r(1));
    asm.ymm.three('vunpckhps', r(5), r(0), r(1));
    asm.ymm.three('vunpcklps', r(6), r(2), r(3));
    asm.ymm.three('vunpckhps', r(7), r(2), r(3));
    const column = (c: number, d: Vec): void => {
      if (half * 4 + c < columns) asm.ymm.store('vmovups', offset(to, (half * 4 + c) * BLOCK_BYTES), d);
    };
    asm.ymm.three('vunpcklpd', r(0), r(4), r(6));
    asm.ymm.three('vunpckhpd', r(1), r(4), r(6));
    asm.ymm.three('vunpcklpd', r(2), r(5), r(7));
    asm.ymm.three('vunpckhpd', r(3), r(5), r(7));
    for (let c = 0; c < 4; c++) column(c, r(c));
  }
}
