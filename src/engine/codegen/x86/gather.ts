/** Gather kernels: rows of a row-major table into panels. What lies behind a table's last row is not read. */
import { factorsAt, rowsAt } from '../../coded-table.ts';
import type { GatherKernel } from '../../kernels.ts';
import { VIRTUAL_LANES } from '../../kernels.ts';
import type { Split } from '../../schedule.ts';
import { countOf, loadAmount, repeat, type Span, shareOf } from './amounts.ts';
import type { Gp, Mem } from './operands.ts';
import { at, offset, r8, r9, r10, rax, rcx, rdi, rdx, rsi } from './operands.ts';
import type { Target } from './target.ts';
import { ARENA, BLOCK_BYTES, blockOffset, bufferOf, FLOAT_BYTES, rowBytes } from './target.ts';

const INDEX: Gp = rsi;
const ROW: Gp = rdi;
const SAMPLES: Gp = r10;
const FROM: Gp = rcx;
const TO: Gp = rdx;
const BLOCKS: Gp = r8;
const PANELS: Gp = r8;
/** Offsets and factors from a panel's first column on. */
const LINES: Gp = r9;
/** Blocks of a row that are written out one after another, and blocks of all rows. */
const ROW_BLOCKS_MAX = 8;
const ALL_BLOCKS_MAX = 32;
const MASK = 2;
const DOUBLE_BYTES = 8;
const CACHE_LINE_BYTES = 64;
/** Of a row: the rest of a long one is foreseen by the processor. */
const PREFETCH_BYTES_MAX = 2048;

export function emitGather(target: Target, kernel: GatherKernel, split: Split): void {
  const { asm, step } = target;
  const out = bufferOf(target, kernel.out);
  const line = rowBytes(target);
  const { columns, coded = false } = kernel;
  const blocks = Math.floor(columns / VIRTUAL_LANES);
  const rest = columns % VIRTUAL_LANES;
  const rows = shareOf(target, 'batch', split);
  const table = step[kernel.table];

  /** The row whose number is at `index`, to where `row` is. */
  const copyRow = (index: Mem, row: Mem): void => {
    if (coded) {
      decodeRow(target, kernel, index, row);
      return;
    }
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
  if (!coded && known !== null && known * (blocks + 1) <= ALL_BLOCKS_MAX) {
    asm.mov(INDEX, step.indices);
    for (let r = 0; r < known; r++) copyRow(at(INDEX, r * FLOAT_BYTES), at(ARENA, out.offset + r * line));
    return;
  }
  if (coded) prefetchRows(target, kernel, rows);
  loadAmount(target, ROW, rows.from);
  asm.imulImmediate(ROW, ROW, line);
  asm.op('add', ROW, ARENA);
  asm.opImmediate('add', ROW, out.offset);
  startOf(target, rows);
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

/** Asks for rows that are about to be decoded: a processor looks less far ahead than to the next of them. */
function prefetchRows(target: Target, { columns, table }: GatherKernel, rows: Span): void {
  const { asm, step } = target;
  startOf(target, rows);
  asm.mov(LINES, step[table]);
  asm.opImmediate('add', LINES, rowsAt(columns));
  const each = (): void => {
    asm.mov32(rax, at(INDEX));
    asm.imulImmediate(FROM, rax, columns);
    asm.op('add', FROM, LINES);
    for (let byte = 0; byte < Math.min(columns, PREFETCH_BYTES_MAX); byte += CACHE_LINE_BYTES) {
      asm.prefetch(at(FROM, byte));
    }
    asm.opImmediate('add', INDEX, FLOAT_BYTES);
  };
  repeat(target, SAMPLES, each, countOf(rows));
}

/** INDEX to the first row's number, SAMPLES to how many rows there are. */
function startOf(target: Target, { from, to }: Span): void {
  const { asm, step } = target;
  loadAmount(target, SAMPLES, from);
  asm.mov(INDEX, step.indices);
  asm.lea(INDEX, { base: INDEX, index: SAMPLES, scale: FLOAT_BYTES, disp: 0 });
  loadAmount(target, SAMPLES, to);
  if (typeof from !== 'number') asm.op('sub', SAMPLES, from);
}

/** The same where the table is a coded one, panel by panel: what is behind the last column comes out as zeros. */
function decodeRow(target: Target, { columns, table, out }: GatherKernel, index: Mem, row: Mem): void {
  const { asm, step, plan } = target;
  const { panel } = plan;
  asm.mov32(rax, index);
  asm.mov(LINES, step[table]);
  asm.imulImmediate(FROM, rax, columns);
  asm.op('add', FROM, LINES);
  asm.opImmediate('add', FROM, rowsAt(columns));
  asm.lea(TO, row);
  const decode = (count: number): void => {
    for (let c = 0; c < count; c += target.isa.lanes / 2) decodeVector(target, columns, c);
  };
  const panels = Math.floor(columns / panel);
  const each = (): void => {
    decode(panel);
    asm.opImmediate('add', FROM, panel);
    asm.opImmediate('add', LINES, panel * DOUBLE_BYTES);
    asm.opImmediate('add', TO, bufferOf(target, out).capacityRows * rowBytes(target));
  };
  if (panels > 0) {
    asm.movImmediate(PANELS, panels);
    repeat(target, PANELS, each, panels);
  }
  decode(columns % panel);
}

/** As many columns as a vector has doubles, from the panel's column `c`. */
function decodeVector({ asm, v, isa }: Target, columns: number, c: number): void {
  const half = isa.name === 'avx512' ? asm.ymm : asm.xmm;
  half.two('vpmovzxbd', 0, at(FROM, c));
  v.two('vcvtdq2pd', 0, 0);
  v.three('vsubpd', 0, 0, at(LINES, c * DOUBLE_BYTES));
  v.three('vmulpd', 0, 0, at(LINES, factorsAt(columns) + c * DOUBLE_BYTES));
  v.two('vcvtpd2ps', 0, 0);
  half.store('vmovups', at(TO, c * FLOAT_BYTES), 0);
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
