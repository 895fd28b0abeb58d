/**
 * Map kernels: blocks of 16 columns, the virtual lanes, as up to four vectors. Reductions to a row keep the 16 lanes
 * of one row in locals and go through its blocks; reductions to a column keep those of one block and go through rows.
 */
import type { MapKernel } from '../../kernels.ts';
import { VIRTUAL_LANES } from '../../kernels.ts';
import type { LaneProgram } from '../../linearize.ts';
import { laneProgramOf } from '../lane-program.ts';
import type { Amount, Range } from './amount.ts';
import { dimAmount, fixedAmount, localAmount, unitsOf } from './amount.ts';
import type { Code, Local } from './assembler.ts';
import type { LaneEmitter, Leaves } from './expressions.ts';
import { createLaneEmitter } from './expressions.ts';
import { advance, countUp, repeat } from './loops.ts';
import type { Domain, Place, Pointers } from './pointers.ts';
import { collectPointers } from './pointers.ts';
import type { Mask, Reduction } from './reductions.ts';
import { accumulate, resetReductions, storeColumns, storeMasked, storeRow } from './reductions.ts';
import type { Target } from './target.ts';
import { VECTOR_LANES } from './target.ts';
import { linesOf, startAt, walkRows } from './walk.ts';

const VECTORS = VIRTUAL_LANES / VECTOR_LANES;

interface MapCode {
  readonly target: Target;
  readonly code: Code;
  readonly kernel: MapKernel;
  readonly program: LaneProgram;
  readonly domain: Domain;
  readonly pointers: Pointers;
  readonly reductions: readonly (Reduction | null)[];
  readonly values: readonly Local[];
}

/** Computes a range: of samples or rows, or of blocks of columns where that is how the kernel is split. */
export function emitMap(target: Target, code: Code, kernel: MapKernel, range: Range): void {
  const program = laneProgramOf(kernel);
  const domain: Domain = { rows: kernel.rows, grid: kernel.grid };
  const at: MapCode = {
    target,
    code,
    kernel,
    program,
    domain,
    pointers: collectPointers(target, domain, { ...kernel, program }),
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
  const emitter = createLaneEmitter(code, program, leavesAt(at, { locals: [], row: 0, column: 0 }));
  emitter.settle(['scalar']);
  if (splitsColumns(kernel)) emitByColumns(at, emitter, range);
  else emitByRows(at, emitter, range);
}

/** One row, or sums down the columns: the columns are what can be divided. */
const splitsColumns = (kernel: MapKernel): boolean =>
  kernel.rows === 1 || kernel.stores.some((s) => s.reduce?.to === 'col');

const leavesAt = ({ code, kernel, program, pointers }: MapCode, place: Place): Leaves => ({
  input: (n) => {
    const name = program.inputs[n]?.name;
    const source = kernel.bindings.find((b) => b.name === name)?.source;
    if (source === undefined) throw new Error(`${kernel.label}: ${name} is not bound`);
    pointers.load(code, source, place);
  },
  index: (axis) => pointers.index(code, axis, place),
});

const pushBase = ({ code, target, pointers }: MapCode, n: number): void => {
  if (pointers.all[n]?.address === true) code.getGlobal(target.step.arena);
  else code.i32(0);
};

const freshLocals = ({ code, pointers }: MapCode): Local[] => pointers.all.map(() => code.local('i32'));

function emitByRows(at: MapCode, outer: LaneEmitter, range: Range): void {
  const { code, kernel, pointers } = at;
  const { columns } = kernel;
  const { panel } = at.target.plan;
  if (typeof columns !== 'number')
    throw new Error(`${kernel.label}: many rows of a moving number of columns`);
  const locals = freshLocals(at);
  const walking = { pointers: pointers.all, locals };
  startAt(code, walking, (n) => pushBase(at, n), range.from);
  const panels = columns > panel ? Math.floor(columns / panel) : 0;
  const moving = panels > 0 ? freshLocals(at) : locals;
  walkRows(code, linesOf(at.domain, pointers.all), walking, range, () => {
    resetReductions(code, at.reductions);
    const start: Place = { locals, row: 0, column: 0 };
    const emitter = outer.inner(leavesAt(at, start));
    emitter.settle(['row']);
    if (panels > 0) {
      for (const [n, local] of locals.entries()) {
        code.get(local);
        code.set(moving[n] ?? local);
      }
    }
    repeat(code, panels, () => {
      emitColumns(at, emitter, moving, panel);
      for (const [n, p] of pointers.all.entries()) advance(code, moving[n] as Local, p.panel);
    });
    emitColumns(at, emitter, moving, columns - panels * panel);
    for (const r of at.reductions) if (r !== null) storeRow(at.target, code, r, pointers, start);
  });
}

/** The first columns of a panel. */
function emitColumns(at: MapCode, outer: LaneEmitter, locals: readonly Local[], count: number): void {
  for (let column = 0; column < count; column += VIRTUAL_LANES) {
    emitBlock(at, outer, { locals, row: 0, column }, partial(count - column));
  }
}

/** The mask of a block's last vector: which of its columns exist. */
function partial(count: number): Mask {
  if (count >= VIRTUAL_LANES) return null;
  return {
    vectors: Math.ceil(count / VECTOR_LANES),
    moving: false,
    push: (code, vector) => {
      const bit = (lane: number): number => (vector * VECTOR_LANES + lane < count ? -1 : 0);
      code.v128([bit(0), bit(1), bit(2), bit(3)]);
    },
    isWhole: (vector) => (vector + 1) * VECTOR_LANES <= count,
  };
}

/** As many as a local says. */
const movingMask = (count: Local): Mask => ({
  vectors: VECTORS,
  moving: true,
  push: (code, vector) => {
    code.get(count);
    code.op('i32x4.splat');
    const first = vector * VECTOR_LANES;
    code.v128([first, first + 1, first + 2, first + 3]);
    code.op('i32x4.gt_s');
  },
  isWhole: () => false,
});

function emitByColumns(at: MapCode, outer: LaneEmitter, { from, to }: Range): void {
  const { code, target, kernel, pointers } = at;
  const columns = dimAmount(target, code, kernel.columns);
  const locals = freshLocals(at);
  const block = code.local('i32');
  const toRow = kernel.stores.some((s) => s.reduce?.to === 'row');
  if (toRow) resetReductions(code, at.reductions);
  const start: Place = { locals, row: 0, column: 0 };
  const body = (mask: Mask): void => {
    startAt(code, { pointers: pointers.all, locals }, (n) => pushBlockStart(at, n, block), null);
    if (!toRow) resetReductions(code, at.reductions);
    emitAllRows(at, locals, () => {
      const emitter = outer.inner(leavesAt(at, start));
      emitter.settle(['row']);
      emitBlock(at, emitter, start, mask);
    });
    if (toRow) return;
    // Pointers along the columns have not moved with the rows.
    for (const r of at.reductions) if (r !== null) storeColumns(code, r, pointers, start, mask);
  };
  from.push();
  code.set(block);
  const whole = wholeBlocks(code, columns);
  const limit = smaller(code, to, whole);
  if (limit.fixed !== 0) {
    countUp(code, block, { by: 1, limit: () => limit.push() }, () => body(null));
  }
  const lastBlock = (): void => {
    whole.push();
    code.set(block);
    if (columns.fixed !== null) body(partial(columns.fixed % VIRTUAL_LANES));
    else body(movingMask(remainder(code, columns)));
  };
  if (columns.fixed === null || columns.fixed % VIRTUAL_LANES !== 0) {
    if (to.fixed !== null && whole.fixed !== null) {
      if (to.fixed > whole.fixed) lastBlock();
    } else {
      code.block(() => {
        whole.push();
        to.push();
        code.op('i32.ge_u');
        code.brIf(0);
        lastBlock();
      });
    }
  }
  if (!toRow) return;
  startAt(code, { pointers: pointers.all, locals }, (n) => pushBase(at, n), null);
  for (const r of at.reductions) if (r !== null) storeRow(target, code, r, pointers, start);
}

function wholeBlocks(code: Code, columns: Amount): Amount {
  if (columns.fixed !== null) return fixedAmount(code, Math.floor(columns.fixed / VIRTUAL_LANES));
  const whole = code.local('i32');
  columns.push();
  code.i32(VIRTUAL_LANES);
  code.op('i32.div_u');
  code.set(whole);
  return localAmount(code, whole);
}

function remainder(code: Code, columns: Amount): Local {
  const left = code.local('i32');
  columns.push();
  code.i32(VIRTUAL_LANES);
  code.op('i32.rem_u');
  code.set(left);
  return left;
}

function smaller(code: Code, a: Amount, b: Amount): Amount {
  if (a.fixed !== null && b.fixed !== null) return fixedAmount(code, Math.min(a.fixed, b.fixed));
  const limit = code.local('i32');
  a.push();
  b.push();
  a.push();
  b.push();
  code.op('i32.lt_u');
  code.op('select');
  code.set(limit);
  return localAmount(code, limit);
}

function emitAllRows(at: MapCode, locals: readonly Local[], row: () => void): void {
  const { code, target, kernel, pointers } = at;
  if (kernel.rows === 1) {
    row();
    return;
  }
  const range = { from: fixedAmount(code, 0), to: unitsOf(target, code, kernel.rows) };
  walkRows(code, linesOf(at.domain, pointers.all), { pointers: pointers.all, locals }, range, row);
}

/** Pushes where a pointer is at the first row of a block of columns. */
function pushBlockStart(at: MapCode, n: number, block: Local): void {
  const { code, target, pointers } = at;
  const pointer = pointers.all[n];
  if (pointer === undefined) throw new Error(`no pointer ${n}`);
  pushBase(at, n);
  const times = (count: () => void, by: number): void => {
    if (by === 0) return;
    count();
    code.i32(by);
    code.op('i32.mul');
    code.op('i32.add');
  };
  const blocksPerPanel = target.plan.panel / VIRTUAL_LANES;
  const part = (op: 'i32.div_u' | 'i32.rem_u') => (): void => {
    code.get(block);
    code.i32(blocksPerPanel);
    code.op(op);
  };
  const within = pointer.column * VIRTUAL_LANES;
  if (pointer.panel === 0) times(() => code.get(block), within);
  else if (blocksPerPanel === 1) times(() => code.get(block), pointer.panel);
  else {
    times(part('i32.div_u'), pointer.panel);
    times(part('i32.rem_u'), within);
  }
}

/** All values of a vector are computed before any is stored: a buffer may be both read and written. */
function emitBlock(at: MapCode, outer: LaneEmitter, start: Place, mask: Mask): void {
  const { code, kernel, program, pointers } = at;
  for (let vector = 0; vector < (mask?.vectors ?? VECTORS); vector++) {
    const place = { ...start, column: start.column + vector * VECTOR_LANES };
    const emitter = outer.inner(leavesAt(at, place));
    for (const [s, value] of at.values.entries()) {
      emitter.push(program.results[s] ?? -1);
      code.set(value);
    }
    for (const [s, { target: to, reduce }] of kernel.stores.entries()) {
      const value = at.values[s];
      const reduction = at.reductions[s];
      if (value === undefined) throw new Error('a value is missing');
      if (reduction) accumulate(code, reduction, vector, value, reduce?.to === 'row' ? mask : null);
      else if (to.to === 'buffer')
        storeMasked(code, pointers.element(to.buffer, to.view, place), value, vector, mask);
      else throw new Error('a step output must be a reduction');
    }
  }
}
