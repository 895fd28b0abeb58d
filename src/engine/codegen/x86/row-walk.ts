/**
 * Goes through the rows of a domain with a register for each way that matrices lie in it: the domain's own rows, or
 * those that a view gives for each position of an image. Matrices that lie alike share a register.
 */
import type { BufferInfo, Grid, View } from '../../kernels.ts';
import { rowsPerSample } from '../../kernels.ts';
import type { Amount, Span } from './amounts.ts';
import { countOf, loadAmount, repeat } from './amounts.ts';
import type { Gp, Mem } from './operands.ts';
import { at, offset, r8, r9, r10, r11, r12, r13, r14, rax, rcx, rdx, rsi } from './operands.ts';
import type { Place } from './places.ts';
import type { Target } from './target.ts';
import { ARENA, BLOCK_BYTES, blockOffset, FLOAT_BYTES, pointAtBlock, rowBytes } from './target.ts';

export interface Seen {
  readonly buffer: BufferInfo;
  readonly view: View | undefined;
}

interface Way {
  readonly capacityRows: number;
  /** Rows of the buffer from one position to the next, from one line to the next, and from one sample to the next. */
  readonly x: number;
  readonly y: number;
  readonly sample: number;
  readonly register: Gp;
}

export interface RowWalk {
  /** Points at row `from` of a block; clobbers rax, rcx and rdx. A register's block is kept. */
  begin(block: Gp, from: Amount): void;
  /** The body for each row, at the place of the block's first vector. The row is in `place.row`. */
  rows(over: Span, body: (place: Place) => void): void;
  /** Of a walk that began at block 0: the same row in another block. */
  atBlock(place: Place, block: number): Place;
  /** Goes through the first blocks of the current row, counting in a register. Panels must be of 16 columns. */
  blocks(count: number, counter: Gp, body: () => void): void;
  /** Back to the row's first block. */
  rewind(count: number): void;
  /** A row and a block that are known beforehand: nothing has to be walked. */
  fixed(row: number, block: number): Place;
}

const REGISTERS: readonly Gp[] = [rsi, r11, r12, r13, r14];
/** Of the row in vectors along the rows, and of the block in vectors along the columns. */
const ROW: Gp = r8;
export const COLUMN: Gp = r9;
const COUNTER: Gp = r10;

export function createRowWalk(
  target: Target,
  domain: { readonly label: string; readonly capacityRows: number; readonly grid: Grid | undefined },
  seen: readonly Seen[],
): RowWalk {
  const { asm, frame } = target;
  const { grid } = domain;
  const line = rowBytes(target);
  const positions = grid === undefined ? 1 : grid.height * grid.width;
  const plain = { capacityRows: domain.capacityRows, x: 1, y: grid?.width ?? 0, sample: positions };
  const shapeOf = ({ buffer, view }: Seen): Omit<Way, 'register'> =>
    view === undefined
      ? plain
      : {
          capacityRows: buffer.capacityRows,
          x: view.xStride,
          y: view.yStride,
          sample: rowsPerSample(buffer.rows) ?? 0,
        };
  const same = (a: Omit<Way, 'register'>, b: Omit<Way, 'register'>): boolean =>
    a.capacityRows === b.capacityRows && a.x === b.x && a.y === b.y && a.sample === b.sample;
  const ways: Way[] = [];
  for (const shape of seen.map(shapeOf)) {
    if (ways.some((w) => same(w, shape))) continue;
    const register = REGISTERS[ways.length];
    if (register === undefined)
      throw new RangeError(`${domain.label}: too many different views for registers`);
    ways.push({ ...shape, register });
  }
  const wayOf = (s: Seen): Way => {
    const found = ways.find((w) => same(w, shapeOf(s)));
    if (found === undefined) throw new Error(`${domain.label}: a matrix was not foreseen`);
    return found;
  };
  const viewBytes = (view: View | undefined): number => (view?.offset ?? 0) * line;

  const place = (): Place => ({
    full: (buffer, view) => at(wayOf({ buffer, view }).register, viewBytes(view)),
    col: at(COLUMN),
    row: at(ROW),
  });
  const advance = (register: Gp, bytes: number): void => {
    if (bytes !== 0) asm.opImmediate('add', register, bytes);
  };

  const positionsOf = (samples: Mem | number, body: () => void): void => {
    if (grid === undefined) return;
    const sampleCount = frame.word();
    const lineCount = frame.word();
    const done = asm.label();
    if (typeof samples === 'number') asm.movImmediate(sampleCount, samples);
    else {
      asm.mov(rax, samples);
      asm.test(rax, rax);
      asm.jcc('e', done);
      asm.mov(sampleCount, rax);
    }
    const countDown = (word: Mem, inner: () => void): void => {
      const top = asm.label();
      asm.bind(top);
      inner();
      asm.opImmediate('sub', word, 1);
      asm.jcc('ne', top);
    };
    countDown(sampleCount, () => {
      asm.movImmediate(lineCount, grid.height);
      countDown(lineCount, () => {
        asm.movImmediate(COUNTER, grid.width);
        repeat(
          target,
          COUNTER,
          () => {
            body();
            for (const w of ways) advance(w.register, w.x * line);
            advance(ROW, FLOAT_BYTES);
          },
          grid.width,
        );
        for (const w of ways) advance(w.register, (w.y - grid.width * w.x) * line);
      });
      for (const w of ways) advance(w.register, (w.sample - grid.height * w.y) * line);
    });
    asm.bind(done);
  };

  return {
    begin(block, from) {
      for (const w of ways) pointAtBlock(target, w.register, block, w.capacityRows);
      asm.mov(ROW, ARENA);
      if (from === 0) return;
      loadAmount(target, rax, from);
      asm.lea(ROW, { base: ROW, index: rax, scale: FLOAT_BYTES, disp: 0 });
      if (grid !== undefined) {
        asm.op32('xor', rdx, rdx);
        asm.movImmediate(rcx, positions);
        asm.div(rcx);
      }
      for (const w of ways) {
        asm.imulImmediate(rcx, rax, (grid === undefined ? 1 : w.sample) * line);
        asm.op('add', w.register, rcx);
      }
    },
    rows(over, body) {
      const known = countOf(over);
      if (known === 0) return;
      if (grid !== undefined) {
        if (known !== null) return positionsOf(known / positions, () => body(place()));
        const samples = frame.word();
        loadAmount(target, rax, over.to);
        if (typeof over.from !== 'number') asm.op('sub', rax, over.from);
        asm.op32('xor', rdx, rdx);
        asm.movImmediate(rcx, positions);
        asm.div(rcx);
        asm.mov(samples, rax);
        return positionsOf(samples, () => body(place()));
      }
      loadAmount(target, COUNTER, over.to);
      if (typeof over.from !== 'number') asm.op('sub', COUNTER, over.from);
      else if (over.from !== 0) asm.opImmediate('sub', COUNTER, over.from);
      const each = (): void => {
        body(place());
        for (const w of ways) advance(w.register, line);
        advance(ROW, FLOAT_BYTES);
      };
      repeat(target, COUNTER, each, known);
    },
    atBlock: (place, block) => ({
      full: (buffer, view) =>
        offset(place.full(buffer, view), blockOffset(target, wayOf({ buffer, view }).capacityRows, block)),
      col: offset(place.col, block * BLOCK_BYTES),
      row: place.row,
    }),
    blocks(count, counter, body) {
      asm.movImmediate(counter, count);
      const each = (): void => {
        body();
        for (const w of ways) advance(w.register, w.capacityRows * line);
        advance(COLUMN, BLOCK_BYTES);
      };
      repeat(target, counter, each, count);
    },
    rewind(count) {
      for (const w of ways) advance(w.register, -count * w.capacityRows * line);
      advance(COLUMN, -count * BLOCK_BYTES);
    },
    fixed(row, block) {
      const sample = Math.floor(row / positions);
      const y = grid === undefined ? 0 : Math.floor((row % positions) / grid.width);
      const x = grid === undefined ? 0 : (row % positions) - y * grid.width;
      return {
        full: (buffer, view) => {
          const shape = shapeOf({ buffer, view });
          const r = grid === undefined ? row : sample * shape.sample + y * shape.y + x * shape.x;
          return at(ARENA, blockOffset(target, shape.capacityRows, block) + r * line + viewBytes(view));
        },
        col: at(ARENA, block * BLOCK_BYTES),
        row: at(ARENA, row * FLOAT_BYTES),
      };
    },
  };
}
