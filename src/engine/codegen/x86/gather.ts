/** Gather kernels: rows of a row-major table into panels. What lies behind a table's last row is not read. */
import type { GatherKernel } from '../../kernels.ts';
import { VIRTUAL_LANES } from '../../kernels.ts';
import type { Split } from '../../schedule.ts';
import { countOf, loadAmount, repeat, shareOf } from './amounts.ts';
import type { Gp, Mem } from './operands.ts';
import { at, offset, r8, r10, rax, rcx, rdi, rdx, rsi } from './operands.ts';
import type { Target } from './target.ts';
import { ARENA, BLOCK_BYTES, blockOffset, bufferOf, FLOAT_BYTES, rowBytes } from './target.ts';

const INDEX: Gp = rsi;
const ROW: Gp = rdi;
const SAMPLES: Gp = r10;
const FROM: Gp = rcx;
const TO: Gp = rdx;
const BLOCKS: Gp = r8;
/** Blocks of a row that are written out one after another, and blocks of all rows. */
const ROW_BLOCKS_MAX = 8;
const ALL_BLOCKS_MAX = 32;
const MASK = 2;

export function emitGather(target: Target, kernel: GatherKernel, split: Split): void {
  const { asm, step } = target;
  const out = bufferOf(target, kernel.out);
  const line = rowBytes(target);
  const { columns } = kernel;
  const blocks = Math.floor(columns / VIRTUAL_LANES);
  const rest = columns % VIRTUAL_LANES;
  const rows = shareOf(target, 'batch', split);
  const table = step[kernel.table];

  /** The row whose number is at `index`, to where `row` is. */
  const copyRow = (index: Mem, row: Mem): void => {
    asm.mov32(rax, index);
    asm.imulImmediate(FROM, rax, columns * FLOAT_BYTES);
    asm.op('add', FROM, table);
    const sink = (block: number): Mem => offset(row, blockOffset(target, out.capacityRows, block));
    if (blocks <= ROW_BLOCKS_MAX || line !== BLOCK_BYTES) {
      for (let b = 0; b < blocks; b++) copyBlock(target, at(FROM, b * BLOCK_BYTES), sink(b));
      if (rest > 0) copyPart(target, at(FROM, blocks * BLOCK_BYTES), sink(blocks), rest);
      return;
    }
    asm.lea(TO, row);
    asm.movImmediate(BLOCKS, blocks);
    const each = (): void => {
      copyBlock(target, at(FROM), at(TO));
      asm.opImmediate('add', FROM, BLOCK_BYTES);
      asm.opImmediate('add', TO, out.capacityRows * line);
    };
    repeat(target, BLOCKS, each, blocks);
    if (rest > 0) copyPart(target, at(FROM), at(TO), rest);
  };

  const known = countOf(rows);
  if (known !== null && known * (blocks + 1) <= ALL_BLOCKS_MAX) {
    asm.mov(INDEX, step.indices);
    for (let r = 0; r < known; r++) copyRow(at(INDEX, r * FLOAT_BYTES), at(ARENA, out.offset + r * line));
    return;
  }
  loadAmount(target, SAMPLES, rows.from);
  asm.mov(INDEX, step.indices);
  asm.lea(INDEX, { base: INDEX, index: SAMPLES, scale: FLOAT_BYTES, disp: 0 });
  asm.imulImmediate(ROW, SAMPLES, line);
  asm.op('add', ROW, ARENA);
  asm.opImmediate('add', ROW, out.offset);
  loadAmount(target, SAMPLES, rows.to);
  if (typeof rows.from !== 'number') asm.op('sub', SAMPLES, rows.from);
  repeat(
    target,
    SAMPLES,
    () => {
      copyRow(at(INDEX), at(ROW));
      asm.opImmediate('add', INDEX, FLOAT_BYTES);
      asm.opImmediate('add', ROW, line);
    },
    known,
  );
}

function copyBlock({ v, isa }: Target, from: Mem, to: Mem): void {
  for (let bytes = 0; bytes < BLOCK_BYTES; bytes += isa.bytes) {
    v.two('vmovups', 0, offset(from, bytes));
    v.store('vmovups', offset(to, bytes), 0);
  }
}

/** The first columns of a block: a masked load reads no further. */
function copyPart({ asm, v, isa }: Target, from: Mem, to: Mem, columns: number): void {
  for (let first = 0; first < columns; first += isa.lanes) {
    const bytes = first * FLOAT_BYTES;
    const count = columns - first;
    if (count >= isa.lanes) v.two('vmovups', 0, offset(from, bytes));
    else if (isa.name === 'avx512') {
      asm.movImmediate(rax, (1 << count) - 1);
      asm.kmovw(MASK, rax);
      v.two('vmovups', 0, offset(from, bytes), { mask: MASK, zeroing: true });
    } else {
      const mask = asm.constant(Array.from({ length: VIRTUAL_LANES }, (_, i) => (i < count ? -1 : 0)));
      v.two('vmovups', 1, mask);
      v.maskedLoad(0, 1, offset(from, bytes));
    }
    v.store('vmovups', offset(to, bytes), 0);
  }
}
