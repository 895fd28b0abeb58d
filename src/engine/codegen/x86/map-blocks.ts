/** A map kernel down the rows of one block after another: elementwise, or reduced to a column. */

import { VIRTUAL_LANES } from '../../kernels.ts';
import type { Split } from '../../schedule.ts';
import { log2 } from '../log2.ts';
import { blocksOf, countOf, forEach, shareOf } from './amounts.ts';
import type { MapCode } from './map-code.ts';
import {
  atRow,
  BLOCK,
  emitBlock,
  fixedColumns,
  isSmall,
  lastOrWhole,
  partialOf,
  walkOf,
} from './map-code.ts';
import type { Mem } from './operands.ts';
import { at, offset } from './operands.ts';
import { resetReduction, vectorsIn } from './reductions.ts';
import { COLUMN } from './row-walk.ts';
import { ARENA, BLOCK_BYTES, bufferOf } from './target.ts';

export function emitByBlocks(code: MapCode, split: Split): void {
  const { target, kernel, reductions } = code;
  const { asm } = target;
  const columns = fixedColumns(code);
  const rows = shareOf(target, kernel.rows, split);
  const blocks = blocksOf(target, columns, split);
  const last = Math.floor(columns / VIRTUAL_LANES);
  const partial = partialOf(columns);
  const walk = walkOf(code);
  const reset = (): void => {
    for (const r of reductions) resetReduction(target, r);
  };

  if (isSmall(code, rows, blocks)) {
    for (let b = 0; b < (countOf(blocks) ?? 0); b++) {
      const absent = b === last ? partial : null;
      reset();
      for (let row = 0; row < (countOf(rows) ?? 0); row++) {
        const place = walk.fixed(row, b);
        atRow(code, place, (emitter) => emitBlock(code, emitter, place, absent));
      }
      storeColumns(code, walk.fixed(0, b).col, vectorsIn(target, absent));
    }
    return;
  }
  forEach(target, BLOCK, blocks, () =>
    lastOrWhole(target, last, partial, (absent) => {
      asm.mov(COLUMN, BLOCK);
      asm.shift('shl', COLUMN, log2(BLOCK_BYTES));
      asm.op('add', COLUMN, ARENA);
      walk.begin(BLOCK, rows.from);
      reset();
      walk.rows(rows, (place) => atRow(code, place, (emitter) => emitBlock(code, emitter, place, absent)));
      storeColumns(code, at(COLUMN), vectorsIn(target, absent));
    }),
  );
}

function storeColumns({ target, kernel, reductions }: MapCode, col: Mem, vectors: number): void {
  for (const r of reductions) {
    const to = r.store.target;
    if (to.to === 'stepOutput') throw new Error(`${kernel.label}: a step output is reduced along a row`);
    const { offset: bytes } = bufferOf(target, to.buffer);
    for (const [j, acc] of r.accumulators.slice(0, vectors).entries()) {
      target.v.store('vmovups', offset(col, bytes + j * target.isa.bytes), acc);
    }
  }
}
