import type { LaneProgram } from '../../linearize.ts';
import { log2 } from '../log2.ts';
import { repeat } from './amounts.ts';
import type { Origin } from './lane-emitter.ts';
import type { Gp, Mem, Vec } from './operands.ts';
import { offset, r8 } from './operands.ts';
import type { Place } from './places.ts';
import { elementSinks, locateAt } from './places.ts';
import type { Product } from './product.ts';
import { A, B } from './product.ts';
import { BLOCK_BYTES, bufferOf, FLOAT_BYTES, panelBytes, rowBytes } from './target.ts';
import type { ColumnVector } from './tiling.ts';
import { emitPositionSum, emitTapSum } from './window-sums.ts';

const COUNT: Gp = r8;
/** Steps of k written out where their number is not known. */
const UNROLL_MOVING = 4;
/** Multiplications of a tile that is written out altogether. */
const WRITTEN_OUT_MAX = 200;

export interface TileShape {
  readonly rows: number;
  readonly vectors: readonly ColumnVector[];
  /** Where each row's element of A is, from the first one's; without it, at equal distances. */
  readonly aRows?: readonly number[];
}

/** `a` and `b` are at k = 0; they are the registers A and B where the sum has a loop. */
export function emitTile(p: Product, shape: TileShape, a: Mem, b: Mem, place: Place): void {
  const { rows, vectors } = shape;
  const { target, kernel } = p;
  const { v, isa } = target;
  const width = vectors.length;
  const acc = Array.from({ length: rows }, (_, i) => vectors.map((_, j) => i * width + j));
  const first = rows * width;
  const right = vectors.map((_, j) => first + j);
  const left = first + width;
  const product = left + 1;
  const init = kernel.init === null ? null : bufferOf(target, kernel.init);
  for (const line of acc) {
    for (const [j, sum] of line.entries()) {
      const { block, bytes } = vectors[j] ?? { block: 0, bytes: 0 };
      if (init === null) v.three(isa.name === 'avx2' ? 'vxorps' : 'vpxord', sum, sum, sum);
      else v.two('vmovups', sum, offset(place.col, init.offset + block * BLOCK_BYTES + bytes));
    }
  }
  const xStride = kernel.windows?.view.xStride ?? 1;
  const aRow = kernel.aTransposed ? FLOAT_BYTES : rowBytes(target) * xStride;
  const multiply = (aAt: Mem, bAt: Mem): void => {
    for (const [j, { block, bytes }] of vectors.entries()) {
      v.two('vmovups', right[j] ?? -1, offset(bAt, block * p.bBlock + bytes));
    }
    for (const [i, line] of acc.entries()) {
      const element = offset(aAt, shape.aRows?.[i] ?? i * aRow);
      const embedded = isa.name === 'avx512' && width === 1;
      if (!embedded) v.two('vbroadcastss', left, element);
      for (const [j, sum] of line.entries()) {
        if (embedded) v.three('vmulps', product, right[j] ?? -1, element, { broadcast: true });
        else v.three('vmulps', product, left, right[j] ?? -1);
        v.three('vaddps', sum, sum, product);
      }
    }
  };
  if (kernel.windows === undefined) emitSum(p, rows * width, a, b, multiply);
  else if (kernel.aTransposed) emitPositionSum(p, kernel.windows, multiply);
  else emitTapSum(p, kernel.windows, rows * width, multiply);
  const others = Array.from({ length: isa.registers - first }, (_, i) => first + i);
  emitStores(p, { rows, vectors }, acc, others, place);
}

/** Multiplies for each k. A runs along its rows, panel by panel, or down its columns. */
function emitSum(p: Product, perStep: number, a: Mem, b: Mem, multiply: (a: Mem, b: Mem) => void): void {
  const { target, k, kernel, bLine } = p;
  const { asm, plan } = target;
  const line = rowBytes(target);
  const aStep = kernel.aTransposed ? line : FLOAT_BYTES;
  const steps = (count: number): void => {
    for (let i = 0; i < count; i++) multiply(offset(a, i * aStep), offset(b, i * bLine));
  };
  const advance = (aBytes: number, bBytes: number): void => {
    asm.opImmediate('add', A, aBytes);
    asm.opImmediate('add', B, bBytes);
  };
  if (typeof k !== 'number') {
    const block = (count: number) => (): void => {
      steps(count);
      advance(count * aStep, count * bLine);
    };
    asm.mov(COUNT, k);
    asm.shift('shr', COUNT, log2(UNROLL_MOVING));
    repeat(target, COUNT, block(UNROLL_MOVING));
    asm.mov(COUNT, k);
    asm.opImmediate('and', COUNT, UNROLL_MOVING - 1);
    repeat(target, COUNT, block(1));
    return;
  }
  const chunk = plan.panel;
  const toNextPanel = kernel.aTransposed ? chunk * line : panelBytes(target, p.a);
  const panels = Math.floor(k / chunk);
  if (k * perStep <= WRITTEN_OUT_MAX || panels < 2) {
    for (let i = 0; i < k; i++) {
      const panel = Math.floor(i / chunk);
      multiply(offset(a, panel * toNextPanel + (i - panel * chunk) * aStep), offset(b, i * bLine));
    }
    return;
  }
  asm.movImmediate(COUNT, panels);
  const body = (): void => {
    steps(chunk);
    advance(toNextPanel, chunk * bLine);
  };
  repeat(target, COUNT, body, panels);
  steps(k - panels * chunk);
}

/** Whether a sum walks through A and B: then they have to be in their registers. */
export const hasLoop = ({ k, target }: Product, { rows, vectors }: TileShape): boolean =>
  typeof k !== 'number' ||
  (k * rows * vectors.length > WRITTEN_OUT_MAX && Math.floor(k / target.plan.panel) >= 2);

/** Values that are alive at once, at most, when a lane program is computed with registers enough. */
function pressureOf(program: LaneProgram): number {
  const last = new Map<number, number>();
  for (const [n, i] of program.code.entries()) for (const a of i.args) last.set(a, n);
  let most = 0;
  const alive = new Set<number>();
  for (const [n, i] of program.code.entries()) {
    for (const a of [...alive]) if ((last.get(a) ?? -1) < n) alive.delete(a);
    if (i.op !== 'const' && i.op !== 'iconst') alive.add(n);
    most = Math.max(most, alive.size);
  }
  return most + 1;
}

/** The stores, vector by vector. Accumulators that would leave too few registers wait in the frame. */
function emitStores(
  p: Product,
  { vectors }: TileShape,
  acc: readonly (readonly Vec[])[],
  others: readonly Vec[],
  place: Place,
): void {
  const { target, kernel, program, lanes } = p;
  const { v, isa, frame } = target;
  const line = rowBytes(target);
  const { lay = () => ({ row: line, block: p.outRows * line }) } = p;
  const sums = acc.flatMap((row, i) => row.map((register, j) => ({ i, j, register })));
  const wanted = Math.min(pressureOf(program), isa.registers);
  const away = Math.min(Math.max(0, wanted - others.length - 1), sums.length - 1);
  let registers = [...others];
  frame.scoped(() => {
    const origins = sums.map(({ register }, n): Origin => {
      if (n < sums.length - away) return { in: 'register', register };
      const mem = frame.vector();
      v.store('vmovaps', mem, register);
      registers.push(register);
      return { in: 'memory', mem, form: 'vector' };
    });
    for (const [n, { i, j }] of sums.entries()) {
      const { block, bytes } = vectors[j] ?? { block: 0, bytes: 0 };
      const here: Place = {
        full: (b, view) => {
          const distance = lay(b, view);
          return offset(place.full(b, view), i * distance.row + block * distance.block + bytes);
        },
        col: offset(place.col, block * BLOCK_BYTES + bytes),
        row: offset(place.row, i * FLOAT_BYTES),
      };
      const stores = kernel.stores.map((store, s) => ({ store, value: program.results[s] ?? -1 }));
      const sinks = elementSinks(target, kernel, program, stores, here, (mem, r) =>
        v.store('vmovups', mem, r),
      );
      registers = lanes.emit(locateAt(target, kernel, program, here, origins[n] ?? null), registers, sinks);
    }
  });
}
