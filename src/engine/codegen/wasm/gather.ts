/** Gather kernels: rows of a row-major table into panels, four floats at a time. */
import type { GatherKernel } from '../../kernels.ts';
import type { Range } from './amount.ts';
import { times } from './amount.ts';
import type { Code } from './assembler.ts';
import { advance, countUp, repeat } from './loops.ts';
import type { Target } from './target.ts';
import { bufferOf, FLOAT_BYTES, panelBytes, rowBytes, VECTOR_BYTES, VECTOR_LANES } from './target.ts';

/** Copies the rows of a range of samples. */
export function emitGather(target: Target, code: Code, kernel: GatherKernel, range: Range): void {
  const out = bufferOf(target, kernel.out);
  const { columns } = kernel;
  const { panel } = target.plan;
  const index = code.local('i32');
  const line = code.local('i32');
  const from = code.local('i32');
  const to = code.local('i32');

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
  const startAt = (local: typeof index, base: () => void, bytes: number): void => {
    base();
    times(code, range.from, bytes).push();
    code.op('i32.add');
    code.set(local);
  };

  startAt(index, () => code.getGlobal(target.step.indices), FLOAT_BYTES);
  startAt(line, () => code.getGlobal(target.step.arena), rowBytes(target));
  const r = code.local('i32');
  range.from.push();
  code.set(r);
  countUp(code, r, { by: 1, limit: () => range.to.push() }, () => {
    code.getGlobal(target.step[kernel.table]);
    code.get(index);
    code.memory('i32.load', 0);
    code.i32(columns * FLOAT_BYTES);
    code.op('i32.mul');
    code.op('i32.add');
    code.set(from);
    code.get(line);
    code.set(to);
    repeat(code, Math.floor(columns / panel), () => {
      copyColumns(panel);
      advance(code, from, rowBytes(target));
      advance(code, to, panelBytes(target, out));
    });
    copyColumns(columns % panel);
    advance(code, line, rowBytes(target));
    advance(code, index, FLOAT_BYTES);
  });
}
