/** A map kernel over one row: a line of blocks, with what is left over masked where its length moves. */

import { VIRTUAL_LANES } from '../../kernels.ts';
import type { Split } from '../../schedule.ts';
import { log2 } from '../log2.ts';
import { blocksOf, countOf, forEach, shareOf, span } from './amounts.ts';
import type { MapCode } from './map-code.ts';
import { BLOCK, emitBlock, isSmall, lastOrWhole, partialOf } from './map-code.ts';
import { storeRowReductions } from './map-rows.ts';
import type { Mem } from './operands.ts';
import { at, rax } from './operands.ts';
import type { Place } from './places.ts';
import { emitMovingMasks, resetReduction } from './reductions.ts';
import { COLUMN } from './row-walk.ts';
import { ARENA, BLOCK_BYTES } from './target.ts';

/** A matrix of one row lies like a vector. */
const onLine = (mem: Mem): Place => ({ full: () => mem, col: mem, row: at(ARENA) });

export function emitLine(code: MapCode, split: Split): void {
  const { target, kernel, lanes, reductions, masks } = code;
  const { asm } = target;
  const blocks = blocksOf(target, kernel.columns, split);
  const length = shareOf({ ...target, threaded: false }, kernel.columns, split).to;
  for (const r of reductions) resetReduction(target, r);

  if (typeof length === 'number' && isSmall(code, span(0, 1), blocks)) {
    for (let b = 0; b < (countOf(blocks) ?? 0); b++) {
      const absent = b === Math.floor(length / VIRTUAL_LANES) ? partialOf(length) : null;
      emitBlock(code, lanes, onLine(at(ARENA, b * BLOCK_BYTES)), absent);
    }
  } else {
    forEach(target, BLOCK, blocks, () => {
      asm.mov(COLUMN, BLOCK);
      asm.shift('shl', COLUMN, log2(BLOCK_BYTES));
      asm.op('add', COLUMN, ARENA);
      const place = onLine(at(COLUMN));
      if (typeof length === 'number') {
        lastOrWhole(target, Math.floor(length / VIRTUAL_LANES), partialOf(length), (absent) =>
          emitBlock(code, lanes, place, absent),
        );
        return;
      }
      const whole = asm.label();
      const next = asm.label();
      asm.mov(rax, BLOCK);
      asm.imulImmediate(rax, rax, -VIRTUAL_LANES);
      asm.op('add', rax, length);
      asm.opImmediate('cmp', rax, VIRTUAL_LANES);
      asm.jcc('ge', whole);
      emitMovingMasks(target, rax, masks);
      emitBlock(code, lanes, place, { moving: true, masks });
      asm.jmp(next);
      asm.bind(whole);
      emitBlock(code, lanes, place, null);
      asm.bind(next);
    });
  }
  storeRowReductions(code, at(ARENA), typeof length === 'number' ? length : VIRTUAL_LANES);
}
