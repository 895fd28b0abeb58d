/** Packs one panel of columns of a transposed B: 4 × 4 transpositions through registers. */
import type { GemmKernel } from '../../kernels.ts';
import type { Code, Func, Local } from './assembler.ts';
import { advance, countUp } from './loops.ts';
import type { Target } from './target.ts';
import { bufferOf, FLOAT_BYTES, panelBytes, rowBytes, VECTOR_BYTES, VECTOR_LANES } from './target.ts';

const roundUp = (n: number, to: number): number => Math.ceil(n / to) * to;

/** Bytes of scratch that a product needs: a panel of as many rows as it sums over. */
export function packBytes(kernel: GemmKernel, panel: number): number {
  if (!kernel.bTransposed || kernel.k === 'batch') return 0;
  return roundUp(kernel.k, VECTOR_LANES) * panel * FLOAT_BYTES;
}

/** A function of the panel's number. Columns beyond the last are zero as far as vectors reach. */
export function emitPack(target: Target, kernel: GemmKernel): Func {
  const { n, k } = kernel;
  if (n === 'batch' || k === 'batch') throw new Error(`${kernel.label}: cannot pack a moving size`);
  const b = bufferOf(target, kernel.b);
  const { panel } = target.plan;
  const line = rowBytes(target);

  return target.module.func(1, (code) => {
    const [panelNumber] = code.parameters;
    if (panelNumber === undefined) throw new Error('the panel number is missing');
    const from = code.local('i32');
    const to = code.local('i32');
    const rows = code.local('i32');
    const done = code.local('i32');
    const v = Array.from({ length: VECTOR_LANES }, () => code.local('v128'));

    /** Columns of B for four of its rows, of which `present` exist: to four columns of the scratch. */
    const quad = (present: number): void => {
      const q = code.local('i32');
      const source = code.local('i32');
      const sink = code.local('i32');
      code.get(from);
      code.set(source);
      code.get(to);
      code.set(sink);
      const block = (vectorInPanel: number): void => {
        for (const [i, register] of v.entries()) {
          if (i < present) {
            code.get(source);
            code.memory('v128.load', b.offset + i * line + vectorInPanel * VECTOR_BYTES);
          } else code.v128([0, 0, 0, 0]);
          code.set(register);
        }
        emitTranspose(code, v, (i) => {
          code.get(sink);
          return { store: () => code.memory('v128.store', target.scratch + i * line) };
        });
        advance(code, sink, VECTOR_LANES * line);
      };
      const perPanel = panel / VECTOR_LANES;
      const panels = Math.floor(k / panel);
      countUp(code, q, { from: 0, by: 1, limit: () => code.i32(panels) }, () => {
        for (let j = 0; j < perPanel; j++) block(j);
        advance(code, source, panelBytes(target, b));
      });
      for (let j = 0; j < Math.ceil((k - panels * panel) / VECTOR_LANES); j++) block(j);
    };

    code.get(panelNumber);
    code.i32(panel * line);
    code.op('i32.mul');
    code.set(from);
    code.i32(0);
    code.set(to);
    // Rows of B in this panel: min(panel, n − panel · number).
    code.i32(n);
    code.get(panelNumber);
    code.i32(panel);
    code.op('i32.mul');
    code.op('i32.sub');
    code.set(rows);
    code.block(() => {
      code.get(rows);
      code.i32(panel);
      code.op('i32.le_u');
      code.brIf(0);
      code.i32(panel);
      code.set(rows);
    });
    const wholeRows = (): void => {
      code.get(rows);
      code.i32(-VECTOR_LANES);
      code.op('i32.and');
    };
    const next = (): void => {
      advance(code, from, VECTOR_LANES * line);
      advance(code, to, VECTOR_BYTES);
    };
    countUp(code, done, { from: 0, by: VECTOR_LANES, limit: wholeRows }, () => {
      quad(VECTOR_LANES);
      next();
    });
    const rest = n % VECTOR_LANES;
    if (rest === 0) return;
    code.block(() => {
      // Only the last panel has an incomplete quad.
      code.get(rows);
      code.get(done);
      code.op('i32.le_u');
      code.brIf(0);
      quad(rest);
    });
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
