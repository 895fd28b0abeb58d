/**
 * Matrix products: for each group of columns, tiles of rows that fit the registers. A transposed A is read as it lies:
 * a tile's rows are neighbours in a panel. A transposed B is packed, group by group, into the thread's scratch.
 */

import type { GemmKernel } from '../../kernels.ts';
import { VIRTUAL_LANES } from '../../kernels.ts';
import type { Split } from '../../schedule.ts';
import { laneProgramOf } from '../lane-program.ts';
import { log2 } from '../log2.ts';
import { countOf, shareOf } from './amounts.ts';
import { emitRows, emitWrittenOut, GROUP_B, GROUP_COLUMN, GROUP_OUT } from './gemm-rows.ts';
import { createLaneEmitter } from './lane-emitter.ts';
import type { Gp } from './operands.ts';
import { at, r9, r11, rsi } from './operands.ts';
import { emitPack, packedBlockBytes } from './pack.ts';
import type { Place } from './places.ts';
import { locateAt } from './places.ts';
import type { Product } from './product.ts';
import type { Target } from './target.ts';
import { ARENA, BLOCK_BYTES, bufferOf, capacityOf, panelBytes, pointAtBlock, rowBytes } from './target.ts';
import type { ColumnGroup } from './tiling.ts';
import { columnGroups } from './tiling.ts';
import { emitTapRows, emitWindowRows } from './window-rows.ts';

const BLOCK: Gp = r11;
const PACK_FROM: Gp = rsi;
const PACK_TO: Gp = r9;
/** Multiplications of a product that is written out altogether. */
const WRITTEN_OUT_MAX = 500;

export function emitGemm(target: Target, kernel: GemmKernel, split: Split): void {
  const { n } = kernel;
  if (typeof n !== 'number' || (!kernel.aTransposed && typeof kernel.k !== 'number')) {
    throw new Error(`${kernel.label}: a matrix cannot have a column per row of the batch`);
  }
  const rows = shareOf(target, kernel.m, split);
  const p = createProduct(target, kernel);
  const groups = columnGroups(target.isa, n, target.plan.panel === VIRTUAL_LANES);
  const [known, vectors] = [countOf(rows), groups.reduce((sum, g) => sum + g.vectors.length * g.count, 0)];
  const small = known !== null && typeof p.k === 'number' && known * p.k * vectors <= WRITTEN_OUT_MAX;
  const { windows } = kernel;
  for (const group of groups) {
    if (windows !== undefined) {
      eachGroup(p, group, n, () => {
        if (kernel.aTransposed) emitTapRows(p, windows, group, rows, split);
        else emitWindowRows(p, windows, group, split);
      });
      continue;
    }
    if (!small) {
      eachGroup(p, group, n, () => emitRows(p, group, rows));
      continue;
    }
    for (let g = 0; g < group.count; g++) {
      const block = group.firstBlock + g * group.blocks;
      if (kernel.bTransposed) {
        target.asm.mov(GROUP_B, target.step.scratch);
        target.asm.movImmediate(BLOCK, block);
        packGroup(p, group, n, g === group.count - 1);
      }
      emitWrittenOut(p, group, known, block);
    }
  }
}

function createProduct(target: Target, kernel: GemmKernel): Product {
  const program = laneProgramOf(kernel);
  const lanes = createLaneEmitter(target, program);
  const { k: depth } = kernel;
  const k =
    typeof depth === 'number' ? depth : shareOf({ ...target, threaded: false }, depth, { by: 'samples' }).to;
  const packed = kernel.bTransposed && typeof k === 'number' ? packedBlockBytes(k) : null;
  const nowhere: Place = { full: () => at(ARENA), col: at(ARENA), row: at(ARENA) };
  const registers = Array.from({ length: target.isa.registers }, (_, i) => i);
  lanes.settle(['scalar'], locateAt(target, kernel, program, nowhere), registers);
  const b = bufferOf(target, kernel.b);
  return {
    target,
    kernel,
    program,
    lanes,
    a: bufferOf(target, kernel.a),
    b,
    bLine: packed === null ? rowBytes(target) : BLOCK_BYTES,
    bBlock: packed ?? panelBytes(target, b),
    k,
    outRows: capacityOf(target, kernel.m),
  };
}

/** The body for each group, with its registers set. */
function eachGroup(p: Product, group: ColumnGroup, n: number, body: () => void): void {
  const { target, kernel, b } = p;
  const { asm, frame } = target;
  const current = frame.word();
  const top = asm.label();
  const lastBlock = group.firstBlock + (group.count - 1) * group.blocks;
  asm.movImmediate(current, group.firstBlock);
  asm.bind(top);
  asm.mov(BLOCK, current);
  if (kernel.bTransposed) {
    const last = asm.label();
    const packed = asm.label();
    asm.mov(GROUP_B, target.step.scratch);
    asm.opImmediate('cmp', BLOCK, lastBlock);
    asm.jcc('e', last);
    if (group.count > 1) packGroup(p, group, n, false);
    asm.jmp(packed);
    asm.bind(last);
    packGroup(p, group, n, true);
    asm.bind(packed);
    asm.mov(BLOCK, current);
  } else {
    pointAtBlock(target, GROUP_B, BLOCK, b.capacityRows);
    asm.opImmediate('add', GROUP_B, b.offset);
  }
  pointAtBlock(target, GROUP_OUT, BLOCK, p.outRows);
  asm.mov(GROUP_COLUMN, BLOCK);
  asm.shift('shl', GROUP_COLUMN, log2(BLOCK_BYTES));
  asm.op('add', GROUP_COLUMN, ARENA);
  body();
  if (group.count > 1) {
    asm.opImmediate('add', current, group.blocks);
    asm.opImmediate('cmp', current, lastBlock);
    asm.jcc('le', top);
  }
}

/** Packs the group whose first block is in BLOCK. The last one may lack rows of B. */
function packGroup({ target, kernel, b, k }: Product, group: ColumnGroup, n: number, last: boolean): void {
  const { asm } = target;
  if (typeof k !== 'number') throw new Error('a packed product has a known depth');
  const whole = group.blocks * VIRTUAL_LANES;
  const before = (group.firstBlock + (group.count - 1) * group.blocks) * VIRTUAL_LANES;
  asm.imulImmediate(PACK_FROM, BLOCK, VIRTUAL_LANES * rowBytes(target));
  asm.op('add', PACK_FROM, ARENA);
  asm.opImmediate('add', PACK_FROM, b.offset);
  const rows = last ? Math.min(whole, n - before) : whole;
  const blockBytes = packedBlockBytes(k);
  const { windows } = kernel;
  if (windows === undefined) {
    emitPack(target, { b, k, rows, blockBytes }, PACK_FROM, GROUP_B);
    return;
  }
  // Each tap's part of B is a matrix of its own, packed behind the one before it.
  let block = 0;
  asm.mov(PACK_TO, GROUP_B);
  for (const tap of windows.taps) {
    const distance = (tap.block - block) * n * rowBytes(target);
    if (distance !== 0) asm.opImmediate('add', PACK_FROM, distance);
    block = tap.block;
    emitPack(target, { b, k: windows.channels, rows, blockBytes }, PACK_FROM, PACK_TO);
    asm.opImmediate('add', PACK_TO, packedBlockBytes(windows.channels));
  }
}
