/** Move kernels: element by element between images and flat rows. Both are walked with a count of the panel's lanes left. */
import type { BufferInfo, MoveKernel } from '../../kernels.ts';
import type { Split } from '../../schedule.ts';
import type { Amount } from './amounts.ts';
import { countOf, loadAmount, repeat, shareOf } from './amounts.ts';
import type { Gp } from './operands.ts';
import { at, r8, r9, r10, r11, r12, r13, r14, rax, rbx, rdi, rsi } from './operands.ts';
import type { Target } from './target.ts';
import { ARENA, bufferOf, FLOAT_BYTES, panelBytes, rowBytes } from './target.ts';

const ROWS: Gp = rbx;
/** The row's first element, the current one of the channel's first position, and the current one. */
const IMAGE_ROW: Gp = r13;
const IMAGE_CHANNEL: Gp = r11;
const IMAGE: Gp = rsi;
const IMAGE_LANES: Gp = r12;
const FLAT_ROW: Gp = r14;
const FLAT: Gp = rdi;
const FLAT_LANES: Gp = r8;
const CHANNELS: Gp = r9;
const POSITIONS: Gp = r10;

export function emitMove(target: Target, kernel: MoveKernel, split: Split): void {
  const { asm, plan } = target;
  const { positions, channels, imageColumn, flatColumn } = kernel;
  const image = bufferOf(target, kernel.image);
  const flat = bufferOf(target, kernel.flat);
  const line = rowBytes(target);
  const rows = shareOf(target, kernel.rows, split);

  const begin = (register: Gp, b: BufferInfo, from: Amount, column: number, perRow: number): void => {
    loadAmount(target, rax, from);
    asm.imulImmediate(register, rax, perRow * line);
    asm.op('add', register, ARENA);
    asm.opImmediate('add', register, b.offset + columnBytes(target, b, column));
  };
  /** To the next column: one lane on, or to the first lane of the next panel. */
  const nextColumn = (register: Gp, lanes: Gp, b: BufferInfo): void => {
    const inside = asm.label();
    asm.opImmediate('add', register, FLOAT_BYTES);
    asm.opImmediate('sub', lanes, 1);
    asm.jcc('ne', inside);
    asm.opImmediate('add', register, panelBytes(target, b) - line);
    asm.movImmediate(lanes, plan.panel);
    asm.bind(inside);
  };

  begin(IMAGE_ROW, image, rows.from, imageColumn, positions);
  begin(FLAT_ROW, flat, rows.from, flatColumn, 1);
  loadAmount(target, ROWS, rows.to);
  if (typeof rows.from !== 'number') asm.op('sub', ROWS, rows.from);
  else if (rows.from !== 0) asm.opImmediate('sub', ROWS, rows.from);
  const copyRow = (): void => {
    asm.mov(IMAGE_CHANNEL, IMAGE_ROW);
    asm.movImmediate(IMAGE_LANES, plan.panel - (imageColumn % plan.panel));
    asm.mov(FLAT, FLAT_ROW);
    asm.movImmediate(FLAT_LANES, plan.panel - (flatColumn % plan.panel));
    asm.movImmediate(CHANNELS, channels);
    const copyChannel = (): void => {
      asm.mov(IMAGE, IMAGE_CHANNEL);
      asm.movImmediate(POSITIONS, positions);
      const copy = (): void => {
        copyElement(target, kernel);
        asm.opImmediate('add', IMAGE, line);
        nextColumn(FLAT, FLAT_LANES, flat);
      };
      repeat(target, POSITIONS, copy, positions);
      nextColumn(IMAGE_CHANNEL, IMAGE_LANES, image);
    };
    repeat(target, CHANNELS, copyChannel, channels);
    asm.opImmediate('add', IMAGE_ROW, positions * line);
    asm.opImmediate('add', FLAT_ROW, line);
  };
  if (countOf(rows) !== 0) repeat(target, ROWS, copyRow, countOf(rows));
}

function copyElement({ asm }: Target, { direction, accumulate }: MoveKernel): void {
  const [from, to] = direction === 'flatten' ? [at(IMAGE), at(FLAT)] : [at(FLAT), at(IMAGE)];
  if (!accumulate) {
    asm.mov32(rax, from);
    asm.mov32(to, rax);
    return;
  }
  asm.xmm.two('vbroadcastss', 0, to);
  asm.xmm.two('vbroadcastss', 1, from);
  asm.xmm.three('vaddps', 0, 0, 1);
  asm.xmm.store('vmovss', to, 0);
}

/** From a row's first element to that of a column. */
function columnBytes(target: Target, b: BufferInfo, column: number): number {
  const { panel } = target.plan;
  const whole = Math.floor(column / panel);
  return whole * panelBytes(target, b) + (column - whole * panel) * FLOAT_BYTES;
}
