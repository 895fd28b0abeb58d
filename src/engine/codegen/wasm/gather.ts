/** Gather kernels: rows of a row-major table into panels, four floats at a time, or four bytes that stand for floats. */
import type { GatherKernel } from '../../kernels.ts';
import type { Range } from './amount.ts';
import { times } from './amount.ts';
import type { Code } from './assembler.ts';
import { DOUBLE_BYTES, decodeColumns, touchRow } from './decode.ts';
import { advance, countUp, repeat } from './loops.ts';
import type { Target } from './target.ts';
import { bufferOf, FLOAT_BYTES, panelBytes, rowBytes, VECTOR_BYTES, VECTOR_LANES } from './target.ts';

/** Copies the rows of a range of samples. */
export function emitGather(target: Target, code: Code, kernel: GatherKernel, range: Range): void {
  const out = bufferOf(target, kernel.out);
  const { columns, coded = false } = kernel;
  const { panel } = target.plan;
  const elementBytes = coded ? 1 : FLOAT_BYTES;
  const index = code.local('i32');
  const line = code.local('i32');
  const from = code.local('i32');
  const to = code.local('i32');
  const lines = code.local('i32');
  const r = code.local('i32');

  const copy = (op: 'v128' | 'f32', bytes: number): void => {
    code.get(to);
    code.get(from);
    code.memory(`${op}.load`, bytes);
    code.memory(`${op}.store`, out.offset + bytes);
  };
  const copyColumns = (count: number): void => {
    const vectors = Math.floor(count / VECTOR_LANES);
    for (let v = 0; v < vectors; v++) copy('v128', v * VECTOR_BYTES);
    for (let c = vectors * VECTOR_LANES; c < count; c++) copy('f32', c * FLOAT_BYTES);
  };
  const moveColumns = (count: number): void => {
    if (coded) decodeColumns(code, { from, lines, to, offset: out.offset }, columns, count);
    else copyColumns(count);
  };
  const startAt = (local: typeof index, base: () => void, bytes: number): void => {
    base();
    times(code, range.from, bytes).push();
    code.op('i32.add');
    code.set(local);
  };
  /** `from` leads to each row in turn. */
  const eachRow = (body: () => void): void => {
    startAt(index, () => code.getGlobal(target.step.indices), FLOAT_BYTES);
    range.from.push();
    code.set(r);
    countUp(code, r, { by: 1, limit: () => range.to.push() }, () => {
      code.getGlobal(target.step[kernel.table]);
      code.get(index);
      code.memory('i32.load', 0);
      code.i32(columns * elementBytes);
      code.op('i32.mul');
      code.op('i32.add');
      code.set(from);
      body();
      advance(code, index, FLOAT_BYTES);
    });
  };

  // Decoding takes so many instructions that a processor does not look ahead as far as to the next row.
  if (coded) eachRow(() => touchRow(code, from, columns));
  startAt(line, () => code.getGlobal(target.step.arena), rowBytes(target));
  eachRow(() => {
    code.get(line);
    code.set(to);
    if (coded) {
      code.getGlobal(target.step[kernel.table]);
      code.set(lines);
    }
    repeat(code, Math.floor(columns / panel), () => {
      moveColumns(panel);
      advance(code, from, panel * elementBytes);
      advance(code, lines, coded ? panel * DOUBLE_BYTES : 0);
      advance(code, to, panelBytes(target, out));
    });
    moveColumns(columns % panel);
    advance(code, line, rowBytes(target));
  });
}
