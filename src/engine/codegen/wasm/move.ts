/** Move kernels: between images, a position's channels side by side, and flat rows, a channel's positions side by side. */
import type { BufferInfo, MoveKernel } from '../../kernels.ts';
import { rowsPerSample } from '../../kernels.ts';
import type { Range } from './amount.ts';
import { times } from './amount.ts';
import type { Code, Local } from './assembler.ts';
import { advance, countUp, repeat } from './loops.ts';
import type { Target } from './target.ts';
import { bufferOf, FLOAT_BYTES, panelBytes, rowBytes } from './target.ts';

/** Copies a range of samples, or of rows where these are fixed. */
export function emitMove(target: Target, code: Code, kernel: MoveKernel, range: Range): void {
  const { positions, channels, accumulate } = kernel;
  const image = bufferOf(target, kernel.image);
  const flat = bufferOf(target, kernel.flat);
  const inImage = createColumn(target, code, image);
  const inFlat = createColumn(target, code, flat);
  const pixel = code.local('i32');
  const [from, fromOffset, to, toOffset] =
    kernel.direction === 'flatten'
      ? ([pixel, image.offset, inFlat.at, flat.offset] as const)
      : ([inFlat.at, flat.offset, pixel, image.offset] as const);

  const perSample = rowsPerSample(kernel.rows) ?? 1;
  const last = times(code, range.to, perSample);
  const r = code.local('i32');
  times(code, range.from, perSample).push();
  code.set(r);
  countUp(code, r, { by: 1, limit: () => last.push() }, () => {
    inImage.start(r, positions, kernel.imageColumn);
    inFlat.start(r, 1, kernel.flatColumn);
    repeat(code, channels, () => {
      code.get(inImage.at);
      code.set(pixel);
      repeat(code, positions, () => {
        code.get(to);
        if (accumulate) {
          code.get(to);
          code.memory('f32.load', toOffset);
        }
        code.get(from);
        code.memory('f32.load', fromOffset);
        if (accumulate) code.op('f32.add');
        code.memory('f32.store', toOffset);
        advance(code, pixel, rowBytes(target));
        inFlat.next();
      });
      inImage.next();
    });
  });
}

/** Goes along the columns of a row, from panel to panel. */
function createColumn(target: Target, code: Code, buffer: BufferInfo) {
  const at = code.local('i32');
  const left = code.local('i32');
  const { panel } = target.plan;
  return {
    at,
    /** To a column of the first of the row's `rows` rows. */
    start: (row: Local, rows: number, column: number): void => {
      code.getGlobal(target.step.arena);
      code.get(row);
      code.i32(rows * rowBytes(target));
      code.op('i32.mul');
      code.op('i32.add');
      const lane = column % panel;
      code.i32(Math.floor(column / panel) * panelBytes(target, buffer) + lane * FLOAT_BYTES);
      code.op('i32.add');
      code.set(at);
      code.i32(panel - lane);
      code.set(left);
    },
    next: (): void => {
      advance(code, at, FLOAT_BYTES);
      code.block(() => {
        code.get(left);
        code.i32(1);
        code.op('i32.sub');
        code.tee(left);
        code.brIf(0);
        code.i32(panel);
        code.set(left);
        advance(code, at, panelBytes(target, buffer) - rowBytes(target));
      });
    },
  };
}
