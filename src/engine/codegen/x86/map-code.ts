/** What the three ways of going through a map kernel's domain share. */
import type { MapKernel } from '../../kernels.ts';
import { VIRTUAL_LANES } from '../../kernels.ts';
import type { LaneProgram } from '../../linearize.ts';
import type { Span } from './amounts.ts';
import { countOf } from './amounts.ts';
import type { LaneEmitter, Sink } from './lane-emitter.ts';
import type { Gp, Vec } from './operands.ts';
import { offset, rbx } from './operands.ts';
import type { Place } from './places.ts';
import { elementSinks, locateAt } from './places.ts';
import type { Partial, Reduction } from './reductions.ts';
import { accumulate, storePartial, vectorsIn, vectorsPerBlock } from './reductions.ts';
import type { RowWalk, Seen } from './row-walk.ts';
import { createRowWalk } from './row-walk.ts';
import type { Target } from './target.ts';
import { bufferOf, capacityOf } from './target.ts';

/** Vector instructions that a domain may have to be written out without a loop. */
const UNROLL_MAX = 600;
/** Counts blocks. */
export const BLOCK: Gp = rbx;

export interface MapCode {
  readonly target: Target;
  readonly kernel: MapKernel;
  readonly program: LaneProgram;
  /** Has settled what is the same for the whole domain. */
  readonly lanes: LaneEmitter;
  readonly reductions: readonly Reduction[];
  /** For the lanes; the others are kept from them. */
  readonly registers: readonly Vec[];
  readonly spare: Vec;
  readonly masks: readonly Vec[];
}

export function walkOf({ target, kernel }: MapCode): RowWalk {
  const seen: Seen[] = [];
  for (const { source } of kernel.bindings) {
    if (source.from !== 'buffer' || source.extent !== 'full') continue;
    seen.push({ buffer: bufferOf(target, source.buffer), view: source.view });
  }
  for (const { target: to } of kernel.stores) {
    if (to.to !== 'buffer') continue;
    const buffer = bufferOf(target, to.buffer);
    if (buffer.kind === 'matrix') seen.push({ buffer, view: to.view });
  }
  const domain = { label: kernel.label, capacityRows: capacityOf(target, kernel.rows), grid: kernel.grid };
  return createRowWalk(target, domain, seen);
}

export const fixedColumns = ({ kernel }: MapCode): number => {
  if (typeof kernel.columns === 'number') return kernel.columns;
  throw new Error(`${kernel.label}: a matrix cannot have a column per row of the batch`);
};

/** What there is of the last block, if it is not a whole one. */
export function partialOf(columns: number): Partial | null {
  const lanes = columns % VIRTUAL_LANES;
  return lanes === 0 ? null : { lanes };
}

/** Whether a domain is small enough to be written out without loops. */
export function isSmall({ target, program }: MapCode, rows: Span, blocks: Span): boolean {
  const [r, b] = [countOf(rows), countOf(blocks)];
  return r !== null && b !== null && r * b * vectorsPerBlock(target) * program.code.length <= UNROLL_MAX;
}

/** One row of a block: its values, element by element or into the reductions. */
export function emitBlock(code: MapCode, outer: LaneEmitter, place: Place, partial: Partial | null): void {
  const { target, kernel, program, reductions, registers, spare } = code;
  const { isa, v } = target;
  const moving = partial !== null && 'masks' in partial ? partial : null;
  const elements = kernel.stores.flatMap((store, s) =>
    store.reduce === undefined ? [{ store, value: program.results[s] ?? -1 }] : [],
  );
  for (let j = 0; j < vectorsIn(target, partial); j++) {
    const shifted: Place = {
      full: (b, view) => offset(place.full(b, view), j * isa.bytes),
      col: offset(place.col, j * isa.bytes),
      row: place.row,
    };
    const sums = reductions.map((r): Sink => {
      const absent = r.store.reduce?.to === 'row' ? partial : null;
      return {
        value: r.value,
        overwrites: [],
        take: (register) => accumulate(target, r, j, register, absent, spare),
      };
    });
    const stores = elementSinks(target, kernel, program, elements, shifted, (mem, register) => {
      if (moving === null) v.store('vmovups', mem, register);
      else storePartial(target, mem, register, j, moving);
    });
    outer.emit(locateAt(target, kernel, program, shifted), registers, [...sums, ...stores]);
  }
}

/** The body with what belongs to a row computed once, for all of the row's vectors. */
export function atRow(code: MapCode, place: Place, body: (emitter: LaneEmitter) => void): void {
  const { target, kernel, program, lanes, registers } = code;
  target.frame.scoped(() => {
    const inner = lanes.inner();
    inner.settle(['row'], locateAt(target, kernel, program, place), registers);
    body(inner);
  });
}

/** Goes through blocks in BLOCK; the last one, if only a part of it exists, is code of its own. */
export const lastOrWhole = (
  { asm }: Target,
  last: number,
  partial: Partial | null,
  one: (absent: Partial | null) => void,
): void => {
  if (partial === null || last === 0) {
    one(partial);
    return;
  }
  const whole = asm.label();
  const next = asm.label();
  asm.opImmediate('cmp', BLOCK, last);
  asm.jcc('ne', whole);
  one(partial);
  asm.jmp(next);
  asm.bind(whole);
  one(null);
  asm.bind(next);
};
