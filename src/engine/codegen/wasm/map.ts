/**
 * Map kernels: blocks of 16 columns, the virtual lanes, as four vectors. Reductions to a row keep the 16 lanes of one
 * row in locals and go through its blocks; reductions to a column keep those of one block and go through its rows.
 */
import type { MapKernel, Store } from '../../kernels.ts';
import { VIRTUAL_LANES } from '../../kernels.ts';
import type { LaneProgram } from '../../linearize.ts';
import { linearize } from '../../linearize.ts';
import type { Code, Func, Local } from './assembler.ts';
import type { LaneEmitter } from './expressions.ts';
import { createLaneEmitter } from './expressions.ts';
import { advance, countUp, repeat } from './loops.ts';
import type { Mask, Reduction } from './reductions.ts';
import { accumulate, resetReductions, storeColumns, storeMasked, storeRow } from './reductions.ts';
import type { Place, Target } from './target.ts';
import {
  bufferOf,
  FLOAT_BYTES,
  pushDim,
  pushSource,
  rowBytes,
  VECTOR_BYTES,
  VECTOR_LANES,
} from './target.ts';

const BLOCK_BYTES = VIRTUAL_LANES * FLOAT_BYTES;
const VECTORS = VIRTUAL_LANES / VECTOR_LANES;
interface MapCode {
  readonly target: Target;
  readonly code: Code;
  readonly kernel: MapKernel;
  readonly program: LaneProgram;
  /** Byte offsets of the current block and row; columns and rows of vectors. */
  readonly full: Local;
  readonly col: Local;
  readonly row: Local;
  readonly reductions: readonly (Reduction | null)[];
  readonly values: readonly Local[];
}

export function emitMap(target: Target, kernel: MapKernel): Func {
  return target.module.func(0, (code) => {
    const program = linearize(kernel.stores.map((s) => s.expr));
    const local = (): Local => code.local('i32');
    const at: MapCode = {
      target,
      code,
      kernel,
      program,
      full: local(),
      col: local(),
      row: local(),
      reductions: kernel.stores.map((store) =>
        store.reduce === undefined
          ? null
          : {
              store,
              fn: store.reduce.fn,
              lanes: Array.from({ length: VECTORS }, () => code.local('v128')),
            },
      ),
      values: kernel.stores.map(() => code.local('v128')),
    };
    const emitter = createLaneEmitter(code, program, (n) => pushInput(at, n, 0));
    emitter.settle(['scalar']);
    const toColumn = kernel.stores.some((s) => s.reduce?.to === 'col');
    if (toColumn) emitByColumns(at, emitter);
    else emitByRows(at, emitter);
  });
}

function pushInput(at: MapCode, n: number, vector: number): void {
  const name = at.program.inputs[n]?.name;
  const source = at.kernel.bindings.find((b) => b.name === name)?.source;
  if (source === undefined) throw new Error(`${at.kernel.label}: ${name} is not bound`);
  pushSource(at.target, at.code, source, placeOf(at, vector));
}

const placeOf = (at: MapCode, vector: number): Place => ({
  full: at.full,
  fullBytes: vector * VECTOR_BYTES,
  col: at.col,
  colBytes: vector * VECTOR_BYTES,
  row: at.row,
  rowBytes: 0,
});

function emitByRows(at: MapCode, outer: LaneEmitter): void {
  const { code, target, kernel } = at;
  const line = code.local('i32');
  const r = code.local('i32');
  code.i32(0);
  code.set(line);
  code.i32(0);
  code.set(at.row);
  countUp(code, r, { from: 0, by: 1, limit: () => pushDim(target, code, kernel.rows) }, () => {
    resetReductions(code, at.reductions);
    const rowEmitter = outer.inner((n) => pushInput(at, n, 0));
    rowEmitter.settle(['row']);
    code.get(line);
    code.set(at.full);
    code.i32(0);
    code.set(at.col);
    forEachBlock(at, (mask) => emitBlock(at, rowEmitter, mask));
    for (const reduction of at.reductions) if (reduction !== null) storeRow(target, code, at.row, reduction);
    advance(code, line, rowBytes(target));
    advance(code, at.row, FLOAT_BYTES);
  });
}

function emitByColumns(at: MapCode, outer: LaneEmitter): void {
  const { code, target, kernel } = at;
  const top = code.local('i32');
  const r = code.local('i32');
  code.i32(0);
  code.set(at.full);
  code.i32(0);
  code.set(at.col);
  forEachBlock(at, (mask) => {
    resetReductions(code, at.reductions);
    code.get(at.full);
    code.set(top);
    code.i32(0);
    code.set(at.row);
    countUp(code, r, { from: 0, by: 1, limit: () => pushDim(target, code, kernel.rows) }, () => {
      const rowEmitter = outer.inner((n) => pushInput(at, n, 0));
      rowEmitter.settle(['row']);
      emitBlock(at, rowEmitter, mask);
      advance(code, at.full, rowBytes(target));
      advance(code, at.row, FLOAT_BYTES);
    });
    for (const reduction of at.reductions)
      if (reduction !== null) storeColumns(target, code, at.col, reduction, mask);
    code.get(top);
    code.set(at.full);
  });
}

/** Goes through the blocks of a row, leaving `full` and `col` at each; the last, partial one gets a mask. */
function forEachBlock(at: MapCode, body: (mask: Mask) => void): void {
  const { code, target, kernel } = at;
  const step = (): void => {
    advance(code, at.full, BLOCK_BYTES);
    advance(code, at.col, BLOCK_BYTES);
  };
  if (kernel.columns === 'batch') {
    // One row: whatever the panel, elements are contiguous.
    const left = code.local('i32');
    const wholeBytes = code.local('i32');
    pushDim(target, code, 'batch');
    code.i32(VIRTUAL_LANES);
    code.op('i32.div_u');
    code.i32(BLOCK_BYTES);
    code.op('i32.mul');
    code.set(wholeBytes);
    const position = at.col;
    countUp(code, position, { by: 0, limit: () => code.get(wholeBytes) }, () => {
      body(null);
      step();
    });
    pushDim(target, code, 'batch');
    code.i32(VIRTUAL_LANES);
    code.op('i32.rem_u');
    code.set(left);
    code.block(() => {
      code.get(left);
      code.op('i32.eqz');
      code.brIf(0);
      body({ moving: true, push: (vector) => pushLanesBelow(code, vector, () => code.get(left)) });
      step();
    });
    return;
  }
  const { columns } = kernel;
  const { panel } = target.plan;
  const blocksPerPanel = panel / VIRTUAL_LANES;
  const capacityRows = kernel.rows === 'batch' ? target.plan.batchSize : kernel.rows;
  const panels = Math.floor(columns / panel);
  repeat(code, panels, () => {
    repeat(code, blocksPerPanel, () => {
      body(null);
      step();
    });
    // From the end of this row's part of the panel to its part of the next panel.
    advance(code, at.full, (capacityRows - 1) * rowBytes(target));
  });
  const rest = columns - panels * panel;
  repeat(code, Math.floor(rest / VIRTUAL_LANES), () => {
    body(null);
    step();
  });
  const tail = rest % VIRTUAL_LANES;
  if (tail > 0) {
    const push = (vector: number): void => {
      const bit = (lane: number): number => (vector * VECTOR_LANES + lane < tail ? -1 : 0);
      code.v128([bit(0), bit(1), bit(2), bit(3)]);
    };
    body({ moving: false, push });
    step();
  }
}

/** Pushes the mask of the lanes of a block whose number is below the limit. */
function pushLanesBelow(code: Code, vector: number, limit: () => void): void {
  limit();
  code.op('i32x4.splat');
  const first = vector * VECTOR_LANES;
  code.v128([first, first + 1, first + 2, first + 3]);
  code.op('i32x4.gt_s');
}

/** All values of a vector are computed before any is stored: a buffer may be both read and written. */
function emitBlock(at: MapCode, outer: LaneEmitter, mask: Mask): void {
  const { code, kernel, program } = at;
  for (let vector = 0; vector < VECTORS; vector++) {
    const emitter = outer.inner((n) => pushInput(at, n, vector));
    for (const [s, value] of at.values.entries()) {
      emitter.push(program.results[s] ?? -1);
      code.set(value);
    }
    for (const [s, store] of kernel.stores.entries()) {
      const value = at.values[s];
      const reduction = at.reductions[s];
      if (value === undefined) throw new Error('a value is missing');
      if (reduction) accumulate(code, reduction, vector, value, store.reduce?.to === 'row' ? mask : null);
      else storeElements(at, store, vector, value, mask);
    }
  }
}

function storeElements(at: MapCode, store: Store, vector: number, value: Local, mask: Mask): void {
  const { code } = at;
  if (store.target.to === 'stepOutput') throw new Error('a step output must be a reduction');
  const buffer = bufferOf(at.target, store.target.buffer);
  const address = buffer.kind === 'matrix' ? at.full : at.col;
  storeMasked(code, { address, offset: buffer.offset }, value, vector, mask);
}
