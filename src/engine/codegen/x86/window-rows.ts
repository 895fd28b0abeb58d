/**
 * The rows of a product through windows. Positions of a line of the image lie at equal distances in every matrix, so
 * tiles are cut at the ends of lines; where each matrix is at is kept in the frame and loaded for each tile.
 */
import type { BufferInfo, View, Windows } from '../../kernels.ts';
import { rowsPerSample, VIRTUAL_LANES } from '../../kernels.ts';
import type { Split } from '../../schedule.ts';
import type { Span } from './amounts.ts';
import { loadAmount, shareOf } from './amounts.ts';
import { GROUP_B, GROUP_COLUMN, GROUP_OUT } from './gemm-rows.ts';
import type { Gp, Label, Mem } from './operands.ts';
import { at, r9, r10, r11, rax, rbx, rdi, rsi } from './operands.ts';
import type { Place } from './places.ts';
import type { Lay, Product } from './product.ts';
import { A, B } from './product.ts';
import { ARENA, bufferOf, FLOAT_BYTES, panelBytes, pointAtBlock, rowBytes } from './target.ts';
import { emitTile } from './tile.ts';
import type { ColumnGroup } from './tiling.ts';
import { evenTiles, tileRowsMax } from './tiling.ts';
import { countDown } from './window-sums.ts';

/** One for each way that matrices lie in the domain. */
const WAY_REGISTERS: readonly Gp[] = [rsi, r9, r10, rbx];
const ROW: Gp = rdi;
const BLOCK: Gp = r11;

/** Rows of a buffer from one position to the next, from one line to the next, and from one sample to the next. */
interface Strides {
  readonly capacityRows: number;
  readonly x: number;
  readonly y: number;
  readonly sample: number;
}
interface Way extends Strides {
  readonly register: Gp;
  readonly word: Mem;
}

function waysOf(p: Product, { grid }: Windows): (b: BufferInfo, view: View | undefined) => Way {
  const { target, kernel } = p;
  const ways: Way[] = [];
  const find = (buffer: BufferInfo, view: View | undefined): Way => {
    const strides: Strides =
      view === undefined
        ? { capacityRows: p.outRows, x: 1, y: grid.width, sample: grid.width * grid.height }
        : {
            capacityRows: buffer.capacityRows,
            x: view.xStride,
            y: view.yStride,
            sample: rowsPerSample(buffer.rows) ?? 0,
          };
    const known = ways.find(
      (w) =>
        w.capacityRows === strides.capacityRows &&
        w.x === strides.x &&
        w.y === strides.y &&
        w.sample === strides.sample,
    );
    if (known !== undefined) return known;
    const register = WAY_REGISTERS[ways.length];
    if (register === undefined) throw new RangeError(`${kernel.label}: too many different views`);
    const made = { ...strides, register, word: target.frame.word() };
    ways.push(made);
    return made;
  };
  for (const { source } of kernel.bindings) {
    if (source.from === 'buffer' && source.extent === 'full')
      find(bufferOf(target, source.buffer), source.view);
  }
  for (const { target: to } of kernel.stores) {
    if (to.to === 'buffer') find(bufferOf(target, to.buffer), to.view);
  }
  return find;
}

/** All positions of a thread's samples, for one group of columns. */
export function emitWindowRows(p: Product, windows: Windows, group: ColumnGroup, split: Split): void {
  const { target, kernel, a } = p;
  const { asm, frame } = target;
  const { grid, view } = windows;
  const line = rowBytes(target);
  const wayOf = waysOf(p, windows);
  const used = new Set(
    [
      ...kernel.bindings.flatMap(({ source }) =>
        source.from === 'buffer' && source.extent === 'full'
          ? [{ buffer: source.buffer, view: source.view }]
          : [],
      ),
      ...kernel.stores.flatMap(({ target: to }) => (to.to === 'buffer' ? [to] : [])),
    ].map((s) => wayOf(bufferOf(target, s.buffer), s.view)),
  );
  const ways = [...used];
  const aWord = frame.word();
  const aSample = rowsPerSample(a.rows) ?? 0;
  const samples = shareOf(target, 'batch', split);
  const left = frame.word();
  const lines = frame.word();
  const tilesLeft = frame.word();
  const none = asm.label();

  loadAmount(target, rax, samples.to);
  if (typeof samples.from !== 'number') asm.op('sub', rax, samples.from);
  asm.test(rax, rax);
  asm.jcc('e', none);
  asm.mov(left, rax);
  for (const w of ways) {
    pointAtBlock(target, w.register, BLOCK, w.capacityRows);
    loadAmount(target, rax, samples.from);
    asm.imulImmediate(rax, rax, w.sample * line);
    asm.op('add', w.register, rax);
    asm.mov(w.word, w.register);
  }
  loadAmount(target, rax, samples.from);
  asm.imulImmediate(ROW, rax, grid.height * grid.width * FLOAT_BYTES);
  asm.op('add', ROW, ARENA);
  asm.imulImmediate(rax, rax, aSample * line);
  asm.op('add', rax, ARENA);
  asm.opImmediate('add', rax, a.offset + view.offset * line);
  asm.mov(aWord, rax);

  const move = (word: Mem, rows: number): void => {
    if (rows !== 0) asm.opImmediate('add', word, rows * line);
  };
  const functions = new Map<number, Label>();
  const tile = (height: number): void => {
    const label = functions.get(height) ?? asm.label();
    functions.set(height, label);
    asm.mov(A, aWord);
    asm.mov(B, GROUP_B);
    for (const w of ways) asm.mov(w.register, w.word);
    asm.call(label);
    move(aWord, height * view.xStride);
    for (const w of ways) move(w.word, height * w.x);
    asm.opImmediate('add', ROW, height * FLOAT_BYTES);
  };
  const heights = evenTiles(grid.width, tileRowsMax(target.isa, group.vectors.length));
  countDown(target, left, () => {
    asm.movImmediate(lines, grid.height);
    countDown(target, lines, () => {
      for (const height of new Set(heights)) {
        const count = heights.filter((h) => h === height).length;
        if (count === 1) tile(height);
        else {
          asm.movImmediate(tilesLeft, count);
          countDown(target, tilesLeft, () => tile(height));
        }
      }
      move(aWord, view.yStride - grid.width * view.xStride);
      for (const w of ways) move(w.word, w.y - grid.width * w.x);
    });
    move(aWord, aSample - grid.height * view.yStride);
    for (const w of ways) move(w.word, w.sample - grid.height * w.y);
  });
  asm.jmp(none);
  const lay: Lay = (b, seen) => {
    const w = wayOf(b, seen);
    return { row: w.x * line, block: w.capacityRows * line };
  };
  const place: Place = {
    full: (b, seen) => at(wayOf(b, seen).register, (seen?.offset ?? 0) * line),
    col: at(GROUP_COLUMN),
    row: at(ROW),
  };
  for (const [height, label] of functions) {
    asm.align(32);
    asm.bind(label);
    emitTile({ ...p, lay }, { rows: height, vectors: group.vectors }, at(A), at(B), place);
    asm.ret();
  }
  asm.bind(none);
}

/** The rows of a weight's gradient: tap by tap, channel by channel, for one group of columns. */
export function emitTapRows(
  p: Product,
  windows: Windows,
  group: ColumnGroup,
  rows: Span,
  split: Split,
): void {
  const { target, kernel, a } = p;
  const { asm, plan } = target;
  const { channels, taps, view } = windows;
  const total = typeof kernel.m === 'number' ? kernel.m : 0;
  const line = rowBytes(target);
  /** Where row m of the output finds its element of A, from A's first window. */
  const inA = (m: number): number => {
    const tap = taps[Math.floor(m / channels)];
    if (tap === undefined) throw new Error(`${kernel.label}: no tap for row ${m}`);
    const c = m % channels;
    const panel = Math.floor(c / plan.panel);
    return tap.rowStep * line + panel * panelBytes(target, a) + (c - panel * plan.panel) * FLOAT_BYTES;
  };
  const granule = split.by === 'rows' && target.threaded ? split.granule : total;
  // Rows of one block of channels lie side by side: tiles of one height share their code.
  const block = channels >= VIRTUAL_LANES ? VIRTUAL_LANES : total;
  const max = tileRowsMax(target.isa, group.vectors.length);
  const functions = new Map<string, { label: Label; aRows: readonly number[] }>();
  const tile = (first: number, height: number): void => {
    const aRows = Array.from({ length: height }, (_, i) => inA(first + i) - inA(first));
    const key = aRows.join();
    const known = functions.get(key) ?? { label: asm.label(), aRows };
    functions.set(key, known);
    asm.lea(A, at(ARENA, a.offset + view.offset * line + inA(first)));
    asm.mov(B, GROUP_B);
    asm.lea(rsi, at(GROUP_OUT, first * line));
    asm.lea(ROW, at(ARENA, first * FLOAT_BYTES));
    asm.call(known.label);
  };
  /** Rows that are done together: cut at the ends of granules, taps and blocks of channels. */
  const endOfRun = (from: number): number => {
    const tapEnd = channels >= VIRTUAL_LANES ? (Math.floor(from / channels) + 1) * channels : total;
    const blockEnd = channels >= VIRTUAL_LANES ? from + block - ((from % channels) % block) : total;
    const granuleEnd = (Math.floor(from / granule) + 1) * granule;
    return Math.min(tapEnd, blockEnd, granuleEnd, total);
  };
  for (let start = 0; start < total; start += granule) {
    const skip = asm.label();
    if (typeof rows.from !== 'number') {
      asm.opImmediate('cmp', rows.from, start);
      asm.jcc('g', skip);
    }
    if (typeof rows.to !== 'number') {
      asm.opImmediate('cmp', rows.to, start);
      asm.jcc('le', skip);
    }
    for (let from = start; from < Math.min(start + granule, total); ) {
      const to = endOfRun(from);
      for (const height of evenTiles(to - from, max)) {
        tile(from, height);
        from += height;
      }
    }
    asm.bind(skip);
  }
  const end = asm.label();
  asm.jmp(end);
  for (const { label, aRows } of functions.values()) {
    asm.align(32);
    asm.bind(label);
    const place: Place = { full: () => at(rsi), col: at(GROUP_COLUMN), row: at(ROW) };
    emitTile(p, { rows: aRows.length, vectors: group.vectors, aRows }, at(A), at(B), place);
    asm.ret();
  }
  asm.bind(end);
}
