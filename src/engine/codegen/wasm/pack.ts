/**
 * Packs one panel of columns of a transposed B, tap by tap where it is read through windows: 4 × 4 transpositions
 * through registers, into a scratch that looks like a panel of the untransposed matrix.
 */
import type { GemmKernel, Plan } from '../../kernels.ts';
import type { Code, Func, Local } from './assembler.ts';
import { advance, countDown, inBlocks, repeat } from './loops.ts';
import type { Target } from './target.ts';
import { bufferOf, FLOAT_BYTES, panelBytes, rowBytes, VECTOR_BYTES, VECTOR_LANES } from './target.ts';

const roundUp = (n: number, to: number): number => Math.ceil(n / to) * to;

/** What is summed over, tap by tap: rows of the packed panel, and which block of B's rows they come from. */
interface Parts {
  readonly depth: number;
  readonly blocks: readonly number[];
}

function partsOf(kernel: GemmKernel): Parts {
  if (kernel.windows !== undefined) {
    return { depth: kernel.windows.channels, blocks: kernel.windows.taps.map((t) => t.block) };
  }
  if (typeof kernel.k !== 'number') throw new Error(`${kernel.label}: cannot pack a moving size`);
  return { depth: kernel.k, blocks: [0] };
}

/** Bytes of scratch that a product needs: a panel of as many rows as it sums over. */
export function packBytes(kernel: GemmKernel, { panel }: Plan): number {
  if (!kernel.bTransposed) return 0;
  const { depth, blocks } = partsOf(kernel);
  return roundUp(blocks.length * depth, VECTOR_LANES) * panel * FLOAT_BYTES + panel * VECTOR_BYTES;
}

/** A function of the panel's number. Columns beyond the last are zero as far as vectors reach. */
export function emitPack(target: Target, kernel: GemmKernel): Func {
  const { n } = kernel;
  const { depth, blocks } = partsOf(kernel);
  if (typeof n !== 'number') throw new Error(`${kernel.label}: cannot pack a moving size`);
  const b = bufferOf(target, kernel.b);
  const { panel } = target.plan;
  const line = rowBytes(target);
  const part = emitPart(target, b.offset, panelBytes(target, b), depth, n % VECTOR_LANES);

  return target.module.func(1, (code) => {
    const [panelNumber] = code.parameters;
    if (panelNumber === undefined) throw new Error('the panel number is missing');
    const rows = code.local('i32');
    // Rows of B in this panel: min(panel, n − panel · number).
    const pushRows = (): void => {
      code.i32(n);
      code.get(panelNumber);
      code.i32(panel);
      code.op('i32.mul');
      code.op('i32.sub');
    };
    pushRows();
    code.i32(panel);
    pushRows();
    code.i32(panel);
    code.op('i32.lt_u');
    code.op('select');
    code.set(rows);
    for (const [i, block] of blocks.entries()) {
      code.getGlobal(target.step.arena);
      code.get(panelNumber);
      code.i32(panel * line);
      code.op('i32.mul');
      code.op('i32.add');
      code.i32(block * n * line);
      code.op('i32.add');
      code.getGlobal(target.step.scratch);
      code.i32(i * depth * line);
      code.op('i32.add');
      code.get(rows);
      code.call(part);
    }
  });
}

/**
 * A function of the address of B's first row, the scratch's, and the number of rows: `depth` columns of them become
 * rows of the scratch; up to three rows after these are overwritten. Panel by panel of B, so that whole lines of the
 * scratch are written one after another.
 */
function emitPart(
  target: Target,
  offset: number,
  panelStep: number,
  depth: number,
  incomplete: number,
): Func {
  const { panel } = target.plan;
  const line = rowBytes(target);
  return target.module.func(3, (code) => {
    const [from, to, rows] = code.parameters;
    if (from === undefined || to === undefined || rows === undefined) throw new Error('three arguments');
    const left = code.local('i32');
    const source = code.local('i32');
    const sink = code.local('i32');
    const v = Array.from({ length: VECTOR_LANES }, () => code.local('v128'));

    /** The panel's first columns of four rows of B, of which `present` exist. */
    const quad = (columns: number, present: number): void => {
      inBlocks(code, source, (endBlock) => {
        for (let first = 0; first < columns; first += VECTOR_LANES) {
          if (first > 0) endBlock();
          for (const [i, register] of v.entries()) {
            if (i < present) {
              code.get(source);
              code.memory('v128.load', offset + i * line + first * FLOAT_BYTES);
            } else code.v128([0, 0, 0, 0]);
            code.set(register);
          }
          emitTranspose(code, v, (i) => {
            code.get(sink);
            return { store: () => code.memory('v128.store', (first + i) * line) };
          });
        }
      });
    };
    const quads = (columns: number): void => {
      code.get(from);
      code.set(source);
      code.get(to);
      code.set(sink);
      code.get(rows);
      code.set(left);
      countDown(code, left, VECTOR_LANES, () => {
        quad(columns, VECTOR_LANES);
        advance(code, source, VECTOR_LANES * line);
        advance(code, sink, VECTOR_BYTES);
      });
      if (incomplete === 0) return;
      code.block(() => {
        // Only the last panel has an incomplete quad.
        code.get(left);
        code.op('i32.eqz');
        code.brIf(0);
        quad(columns, incomplete);
      });
    };
    const panels = Math.floor(depth / panel);
    repeat(code, panels, () => {
      quads(panel);
      advance(code, from, panelStep);
      advance(code, to, panel * line);
    });
    if (depth > panels * panel) quads(depth - panels * panel);
  });
}

/** Four vectors as the columns of four: `address` pushes where line i goes and gives its store. */
function emitTranspose(
  code: Code,
  [a, b, c, d]: readonly Local[],
  address: (line: number) => { readonly store: () => void },
): void {
  if (a === undefined || b === undefined || c === undefined || d === undefined)
    throw new Error('four vectors');
  const low = [code.local('v128'), code.local('v128')] as const;
  const high = [code.local('v128'), code.local('v128')] as const;
  const zip = (x: Local, y: Local, lanes: readonly [number, number, number, number], into: Local): void => {
    code.get(x);
    code.get(y);
    code.shuffle(lanes);
    code.set(into);
  };
  zip(a, b, [0, 4, 1, 5], low[0]);
  zip(c, d, [0, 4, 1, 5], low[1]);
  zip(a, b, [2, 6, 3, 7], high[0]);
  zip(c, d, [2, 6, 3, 7], high[1]);
  const line = (
    i: number,
    [x, y]: readonly [Local, Local],
    lanes: readonly [number, number, number, number],
  ) => {
    const { store } = address(i);
    code.get(x);
    code.get(y);
    code.shuffle(lanes);
    store();
  };
  line(0, low, [0, 1, 4, 5]);
  line(1, low, [2, 3, 6, 7]);
  line(2, high, [0, 1, 4, 5]);
  line(3, high, [2, 3, 6, 7]);
}
