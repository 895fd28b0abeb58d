/**
 * The sum of products of a tile, k ascending: the loop that everything else waits for.
 *
 * Written for how V8 compiles it: after every four products a block of straight code ends, at a jump to where the sums
 * are used, so that they are computed before it. Ways along k are added to the address of A, so that the distances between the tile's rows are the
 * same constants everywhere, which the compiler keeps in registers.
 */
import type { BufferInfo, GemmKernel } from '../../kernels.ts';
import type { Amount } from './amount.ts';
import { fixedAmount, unitsOf } from './amount.ts';
import type { Code, Local } from './assembler.ts';
import { advance, inBlocks, repeat } from './loops.ts';
import type { Target } from './target.ts';
import { FLOAT_BYTES, panelBytes, rowBytes, VECTOR_BYTES } from './target.ts';
import type { Gemm } from './tile.ts';
import { linesOf, walkLines } from './walk.ts';

/** Steps of k that one turn of a loop makes. */
const STEPS = 8;
/** So few of them need no loop. */
const STEPS_WRITTEN = 12;
/** Products through windows of no more steps of k than this are written out whole. */
const TAPS_WRITTEN = 40;
const PRODUCTS_PER_BLOCK = 4;

interface Products {
  readonly g: Gemm;
  readonly code: Code;
  readonly a: readonly Local[];
  readonly b: Local;
  /** Multiplies and adds for one k: A at its addresses, B so many bytes after its own. */
  readonly step: (bBytes: number) => void;
  /** Ends a block of straight code. */
  readonly endBlock: () => void;
}

/** Changes the addresses of A and B. */
export function emitProducts(
  g: Gemm,
  code: Code,
  acc: readonly (readonly Local[])[],
  a: readonly Local[],
  b: Local,
): void {
  const right = (acc[0] ?? []).map(() => code.local('v128'));
  const left = code.local('v128');
  const rowsPerBlock = Math.max(1, Math.floor(PRODUCTS_PER_BLOCK / right.length));
  inBlocks(code, b, (endBlock) => {
    const step = (bBytes: number): void => {
      for (const [j, v] of right.entries()) {
        code.get(b);
        code.memory('v128.load', bBytes + j * VECTOR_BYTES);
        code.set(v);
      }
      for (const [i, line] of acc.entries()) {
        if (i > 0 && i % rowsPerBlock === 0) endBlock();
        code.get(a[g.aRowBytes === null ? i : 0] ?? b);
        code.memory('v128.load32_splat', i * (g.aRowBytes ?? 0));
        code.set(left);
        for (const [j, sum] of line.entries()) {
          code.get(sum);
          code.get(left);
          code.get(right[j] ?? left);
          code.op('f32x4.mul');
          code.op('f32x4.add');
          code.set(sum);
        }
      }
    };
    const at: Products = { g, code, a, b, step, endBlock };
    const { kernel } = g;
    if (kernel.aTransposed) emitDownRows(at);
    else if (kernel.windows !== undefined) emitWindows(at);
    else if (typeof kernel.k === 'number') emitAlongRow(at, kernel.k);
    else throw new Error(`${kernel.label}: columns of a moving number`);
  });
}

interface Steps {
  readonly count: Amount;
  /** Steps after which `afterTurn` follows, and that a loop makes at a time. */
  readonly turn: number;
  readonly afterTurn: () => void;
  /** How far A and B move with each. */
  readonly aBytes: number;
  readonly bBytes: number;
}

function emitSteps(at: Products, steps: Steps): void {
  const { code, b } = at;
  const { fixed } = steps.count;
  if (fixed !== null && fixed <= STEPS_WRITTEN) {
    emitStepsWritten(at, fixed, steps);
    return;
  }
  const left = code.local('i32');
  steps.count.push();
  code.set(left);
  code.block(() => {
    code.get(left);
    code.op('i32.eqz');
    code.brIf(0);
    code.loop(() => {
      for (let s = 1; s <= steps.turn; s++) {
        at.step((s - 1) * steps.bBytes);
        for (const local of at.a) advance(code, local, steps.aBytes);
        if (s === steps.turn) break;
        // The way out, and the end of a block.
        code.get(left);
        code.i32(s);
        code.op('i32.eq');
        code.brIf(1);
      }
      advance(code, b, steps.turn * steps.bBytes);
      steps.afterTurn();
      code.get(left);
      code.i32(steps.turn);
      code.op('i32.sub');
      code.tee(left);
      code.brIf(0);
    });
  });
  // The steps of a last, shorter turn.
  code.get(b);
  code.get(left);
  code.i32(steps.bBytes);
  code.op('i32.mul');
  code.op('i32.add');
  code.set(b);
}

function emitStepsWritten(at: Products, count: number, { turn, afterTurn, aBytes, bBytes }: Steps): void {
  for (let s = 0; s < count; s++) {
    at.step(s * bBytes);
    at.endBlock();
    for (const local of at.a) advance(at.code, local, aBytes);
    if ((s + 1) % turn === 0) afterTurn();
  }
  advance(at.code, at.b, count * bBytes);
}

/** k runs down the rows of both buffers. */
function emitDownRows(at: Products): void {
  const { g, code, a, b } = at;
  const { domain } = g.down;
  const pointers = [...a.map(() => g.down.a), g.down.b];
  const range = { from: fixedAmount(code, 0), to: unitsOf(g.target, code, domain.rows) };
  walkLines(code, linesOf(domain, pointers), { pointers, locals: [...a, b] }, range, (count) => {
    const afterTurn = (): void => {};
    emitSteps(at, { count, turn: STEPS, afterTurn, aBytes: g.down.a.x, bBytes: g.down.b.x });
  });
}

/** k runs along the row of A, panel by panel, and down the rows of B; both addresses end where they began plus that. */
function emitAlongRow(at: Products, columns: number): void {
  const { g, code, a } = at;
  const { panel } = g.target.plan;
  const bBytes = rowBytes(g.target);
  const toPanel = panelBytes(g.target, g.a) - panel * FLOAT_BYTES;
  const steps = (count: number, turn: number, afterTurn: () => void): void =>
    emitSteps(at, { count: fixedAmount(code, count), turn, afterTurn, aBytes: FLOAT_BYTES, bBytes });
  const nextPanel = (): void => {
    for (const local of a) advance(code, local, toPanel);
  };
  if (panel <= 2 * STEPS) {
    steps(columns, panel, nextPanel);
    return;
  }
  repeat(code, Math.floor(columns / panel), () => {
    steps(panel, STEPS, () => {});
    nextPanel();
  });
  steps(columns % panel, STEPS, () => {});
}

/** k runs through the taps, and through the channels of each. */
function emitWindows(at: Products): void {
  const { g, code, a, b } = at;
  const { target, kernel } = g;
  const { windows } = kernel;
  if (windows === undefined) throw new Error('unreachable: called with windows');
  if (g.taps === null) {
    emitTapsWritten(at);
    return;
  }
  const table = code.local('i32');
  code.getGlobal(target.step.arena);
  code.set(table);
  const move = (local: Local, bytes: number): void => {
    code.get(local);
    code.get(table);
    code.memory('i32.load', bytes);
    code.op('i32.add');
    code.set(local);
  };
  const { taps } = g;
  repeat(code, windows.taps.length, () => {
    for (const local of a) move(local, taps);
    move(b, taps + FLOAT_BYTES);
    emitAlongRow(at, windows.channels);
    advance(code, table, 2 * FLOAT_BYTES);
  });
}

/** Every step of k by itself. */
function emitTapsWritten({ g, code, a, step, endBlock }: Products): void {
  const { kernel, target } = g;
  const { channels = 0, taps = [] } = kernel.windows ?? {};
  const line = rowBytes(target);
  let reached = 0;
  for (const [t, { rowStep, block }] of taps.entries()) {
    const firstRow = kernel.bTransposed ? t * channels : block * channels;
    for (let c = 0; c < channels; c++) {
      const aBytes = rowStep * line + columnBytes(target, g.a, c);
      for (const local of a) advance(code, local, aBytes - reached);
      reached = aBytes;
      step((firstRow + c) * line);
      endBlock();
    }
  }
}

/** From the first column of a row to another. */
const columnBytes = (target: Target, buffer: BufferInfo, column: number): number => {
  const { panel } = target.plan;
  return Math.floor(column / panel) * panelBytes(target, buffer) + (column % panel) * FLOAT_BYTES;
};

/**
 * What to add to the addresses of A and B before each tap, after the channels of the tap before; null where there are
 * no windows, or few enough steps to be written out.
 */
export function tapDistances(target: Target, kernel: GemmKernel, a: BufferInfo): readonly number[] | null {
  const { windows } = kernel;
  if (windows === undefined || kernel.aTransposed) return null;
  const { channels, taps } = windows;
  if (taps.length * channels <= TAPS_WRITTEN) return null;
  const line = rowBytes(target);
  const walked = columnBytes(target, a, channels);
  return taps.flatMap(({ rowStep, block }, t) => {
    const before = taps[t - 1];
    const aBytes = (rowStep - (before?.rowStep ?? 0)) * line - (before === undefined ? 0 : walked);
    // A packed B has its taps in order.
    const bRows = kernel.bTransposed ? 0 : (block - (before === undefined ? 0 : before.block + 1)) * channels;
    return [aBytes, bRows * line];
  });
}
