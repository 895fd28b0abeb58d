/** A map kernel through the blocks of one row after another, reduced to one value per row. */
import { VIRTUAL_LANES } from '../../kernels.ts';
import type { Split } from '../../schedule.ts';
import { countOf, shareOf, span } from './amounts.ts';
import type { LaneEmitter } from './lane-emitter.ts';
import type { MapCode } from './map-code.ts';
import { atRow, BLOCK, emitBlock, fixedColumns, isSmall, partialOf, walkOf } from './map-code.ts';
import type { Mem } from './operands.ts';
import { offset } from './operands.ts';
import type { Place } from './places.ts';
import { resetReduction, stepOutput, storeRow, vectorsPerBlock } from './reductions.ts';
import { COLUMN } from './row-walk.ts';
import { ARENA, BLOCK_BYTES, bufferOf, rowBytes } from './target.ts';

/** Blocks of a row that are written out one after another; of more there is a loop. */
const WRITTEN_OUT_MAX = 4;

export function emitByRows(code: MapCode, split: Split): void {
  const { target, kernel } = code;
  const { asm } = target;
  const columns = fixedColumns(code);
  const rows = shareOf(target, kernel.rows, split);
  const blocks = Math.ceil(columns / VIRTUAL_LANES);
  const whole = Math.floor(columns / VIRTUAL_LANES);
  const partial = partialOf(columns);
  const walk = walkOf(code);

  const row = (first: Place, body: (emitter: LaneEmitter) => void): void => {
    for (const r of code.reductions) resetReduction(target, r);
    atRow(code, first, body);
    storeRowReductions(code, first.row, columns);
  };
  const each = (placeOf: (block: number) => Place): void =>
    row(placeOf(0), (emitter) => {
      for (let b = 0; b < blocks; b++) emitBlock(code, emitter, placeOf(b), b === whole ? partial : null);
    });

  if (isSmall(code, rows, span(0, blocks))) {
    for (let r = 0; r < (countOf(rows) ?? 0); r++) each((b) => walk.fixed(r, b));
    return;
  }
  asm.op32('xor', BLOCK, BLOCK);
  walk.begin(BLOCK, rows.from);
  asm.mov(COLUMN, ARENA);
  walk.rows(rows, (place) => {
    if (blocks <= WRITTEN_OUT_MAX || rowBytes(target) !== BLOCK_BYTES) {
      each((b) => walk.atBlock(place, b));
      return;
    }
    row(place, (emitter) => {
      walk.blocks(whole, BLOCK, () => emitBlock(code, emitter, place, null));
      if (partial !== null) emitBlock(code, emitter, place, partial);
      walk.rewind(whole);
    });
  });
}

/** Joins the lanes of each reduction and stores the row's values. */
export function storeRowReductions({ target, reductions, spare }: MapCode, row: Mem, columns: number): void {
  const used = columns <= target.isa.lanes ? 1 : vectorsPerBlock(target);
  for (const r of reductions) {
    const to = r.store.target;
    const mem =
      to.to === 'stepOutput' ? stepOutput(target, to.slot) : offset(row, bufferOf(target, to.buffer).offset);
    storeRow(target, { ...r, accumulators: r.accumulators.slice(0, used) }, mem, spare);
  }
}
