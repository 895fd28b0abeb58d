import { expect, it } from 'vitest';
import { Memory } from '../../../src/engine/codegen/wasm/runtime.ts';
import { allocateTables } from '../../../src/engine/codegen/wasm/tables.ts';
import { isOutOfMemory } from '../../../workers/out-of-memory.ts';

function errorOf(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('it was allowed');
}

it.each([
  ['an array buffer', () => new ArrayBuffer(2 ** 52)],
  ['a typed array', () => new Float32Array(2 ** 50)],
  ['memory shared by threads', () => new SharedArrayBuffer(2 ** 52)],
  ['a WebAssembly memory’s growth', () => new Memory({ initial: 1, maximum: 1, shared: true }).grow(1)],
  ['tables beyond 4 GiB', () => allocateTables(1, 2 ** 31, 1)],
])('knows it by the refusal of %s', (_, work) => {
  const error = errorOf(work);
  expect(isOutOfMemory(error)).toBe(true);
  expect(isOutOfMemory(new Error('thread 1 of the crew is gone', { cause: error }))).toBe(true);
});

it('takes nothing else for it', () => {
  expect(isOutOfMemory(errorOf(() => new Array(-1)))).toBe(false);
  expect(isOutOfMemory(errorOf(() => JSON.parse('{')))).toBe(false);
  expect(isOutOfMemory('out of memory')).toBe(false);
  expect(isOutOfMemory(new Error('the training takes no steps'))).toBe(false);
});
