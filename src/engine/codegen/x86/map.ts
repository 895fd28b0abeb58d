/**
 * Map kernels. Elementwise stores and reductions to a column go down the rows of one block of 16 columns after another;
 * reductions to a row go through the blocks of one row after another; a domain of one row is a line of blocks.
 */
import type { MapKernel } from '../../kernels.ts';
import type { Split } from '../../schedule.ts';
import { laneProgramOf } from '../lane-program.ts';
import { createLaneEmitter } from './lane-emitter.ts';
import { emitByBlocks } from './map-blocks.ts';
import type { MapCode } from './map-code.ts';
import { emitLine } from './map-line.ts';
import { emitByRows } from './map-rows.ts';
import type { Vec } from './operands.ts';
import { at } from './operands.ts';
import type { Place } from './places.ts';
import { locateAt } from './places.ts';
import type { Reduction } from './reductions.ts';
import { vectorsPerBlock } from './reductions.ts';
import type { Target } from './target.ts';
import { ARENA } from './target.ts';

/** Lane programs get by with so many registers; reductions may have the rest. */
const LANE_REGISTERS_MIN = 6;

export function emitMap(target: Target, kernel: MapKernel, split: Split): void {
  const program = laneProgramOf(kernel);
  const lanes = createLaneEmitter(target, program);
  const free = Array.from({ length: target.isa.registers }, (_, i) => i);
  const takeLow = (count: number): Vec[] => free.splice(0, count);
  const vectors = vectorsPerBlock(target);
  const reductions = kernel.stores.flatMap((store, s): Reduction[] => {
    if (store.reduce === undefined) return [];
    const value = program.results[s] ?? -1;
    return [{ store, value, fn: store.reduce.fn, accumulators: takeLow(vectors) }];
  });
  const [spare = -1] = takeLow(1);
  const masks = takeLow(typeof kernel.columns === 'number' ? 0 : vectors);
  if (free.length < LANE_REGISTERS_MIN) {
    throw new RangeError(`${kernel.label}: ${reductions.length} reductions in one kernel`);
  }
  const code: MapCode = { target, kernel, program, lanes, reductions, registers: free, spare, masks };
  const nowhere: Place = { full: () => at(ARENA), col: at(ARENA), row: at(ARENA) };
  lanes.settle(['scalar'], locateAt(target, kernel, program, nowhere), free);
  const reduces = (to: 'row' | 'col'): boolean => reductions.some((r) => r.store.reduce?.to === to);
  if (reduces('col')) emitByBlocks(code, split);
  else if (kernel.rows === 1) emitLine(code, split);
  else if (reduces('row')) emitByRows(code, split);
  else emitByBlocks(code, split);
}
