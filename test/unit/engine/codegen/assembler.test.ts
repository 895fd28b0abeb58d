import { describe, expect, it } from 'vitest';
import type { Code } from '../../../../src/engine/codegen/wasm/assembler.ts';
import { createModule } from '../../../../src/engine/codegen/wasm/assembler.ts';
import { countUp, repeat } from '../../../../src/engine/codegen/wasm/loops.ts';
import { Instance, Memory, Module } from '../../../../src/engine/codegen/wasm/runtime.ts';

/** Assembles one function of some i32 arguments, calls it, and gives back the memory as 32-bit integers. */
function run(body: (code: Code) => void, ...args: number[]): Int32Array {
  const module = createModule(1);
  module.func(args.length, body, 'main');
  const memory = new Memory({ initial: 1, maximum: 1, shared: true });
  const { exports } = new Instance(new Module(module.encode()), { env: { memory } });
  (exports.main as (...values: number[]) => void)(...args);
  return new Int32Array(memory.buffer);
}

const edges = [
  0,
  1,
  -1,
  63,
  64,
  -64,
  -65,
  127,
  128,
  8191,
  8192,
  -8193,
  2 ** 31 - 1,
  -(2 ** 31),
  2 ** 31,
  2 ** 32 - 1,
];

describe('the assembler', () => {
  it.each(edges)('encodes the constant %i', (value) => {
    const memory = run((code) => {
      code.i32(0);
      code.i32(value);
      code.memory('i32.store', 0);
    });
    expect(memory[0]).toBe(value | 0);
  });

  it.each([0, 4, 124, 128, 16380, 16384, 65532])('encodes the memory offset %i', (offset) => {
    const memory = run((code) => {
      code.i32(0);
      code.i32(7);
      code.memory('i32.store', offset);
    });
    expect(memory[offset / 4]).toBe(7);
  });

  it('encodes vector constants and shuffles', () => {
    const memory = run((code) => {
      code.i32(16);
      code.v128([1, -2, 3, 0x7fffffff]);
      code.v128([5, 6, 7, 8]);
      code.shuffle([3, 0, 5, 7]);
      code.memory('v128.store', 0);
    });
    expect([...memory.slice(4, 8)]).toEqual([0x7fffffff, 1, 6, 8]);
  });

  it('keeps parameters, locals and globals apart', () => {
    const module = createModule(1);
    const [first, second] = [module.global(), module.global()];
    module.func(
      2,
      (code) => {
        const [a, b] = code.parameters;
        if (a === undefined || b === undefined) throw new Error('two parameters');
        const local = code.local('i32');
        const vector = code.local('v128');
        code.get(a);
        code.setGlobal(first);
        code.get(b);
        code.setGlobal(second);
        code.i32(5);
        code.set(local);
        code.getGlobal(second);
        code.op('i32x4.splat');
        code.set(vector);
        code.get(local);
        code.get(vector);
        code.memory('v128.store', 11);
        code.i32(0);
        code.getGlobal(first);
        code.memory('i32.store', 0);
      },
      'main',
    );
    const memory = new Memory({ initial: 1, maximum: 1, shared: true });
    const { exports } = new Instance(new Module(module.encode()), { env: { memory } });
    (exports.main as (a: number, b: number) => void)(3, 4);
    expect([...new Int32Array(memory.buffer).slice(0, 9)]).toEqual([3, 0, 0, 0, 4, 4, 4, 4, 0]);
  });

  it('calls functions, also when there are hundreds of them with long bodies', () => {
    const module = createModule(1);
    const functions = Array.from({ length: 300 }, (_, i) =>
      module.func(1, (code) => {
        const [address] = code.parameters;
        if (address === undefined) throw new Error('one parameter');
        for (let n = 0; n < 100; n++) {
          code.get(address);
          code.i32(i);
          code.memory('i32.store', 0);
        }
      }),
    );
    module.func(
      0,
      (code) => {
        for (const [i, f] of functions.entries()) {
          code.i32(i * 4);
          code.call(f);
        }
      },
      'main',
    );
    const memory = new Memory({ initial: 1, maximum: 1, shared: true });
    const { exports } = new Instance(new Module(module.encode()), { env: { memory } });
    (exports.main as () => void)();
    expect([...new Int32Array(memory.buffer).slice(0, 301)]).toEqual([...Array(300).keys(), 0]);
  });

  it.each([0, 1, 63, 64, -64, -65, 2 ** 40, -(2 ** 40)])('encodes the long constant %i', (value) => {
    // Waiting for a word that has another value returns at once: 1.
    const memory = run((code) => {
      code.i32(0);
      code.i32(8);
      code.i32(5);
      code.i64(value);
      code.atomic('memory.atomic.wait32', 0);
      code.memory('i32.store', 0);
    });
    expect(memory[0]).toBe(1);
  });

  it('encodes atomic loads, stores and additions', () => {
    const memory = run((code) => {
      code.i32(0);
      code.i32(40);
      code.atomic('i32.atomic.store', 8);
      code.i32(0);
      code.i32(4);
      code.i32(2);
      code.atomic('i32.atomic.rmw.add', 4);
      code.memory('i32.store', 0);
      code.i32(16);
      code.i32(0);
      code.atomic('i32.atomic.load', 8);
      code.memory('i32.store', 0);
      code.i32(20);
      code.i32(0);
      code.i32(1);
      code.atomic('memory.atomic.notify', 0);
      code.memory('i32.store', 0);
    });
    expect([...memory.slice(0, 6)]).toEqual([40, 0, 42, 0, 42, 0]);
  });

  it.each([0, 1, 2, 5])('loops: up to %i, and that many times', (n) => {
    const bump = (code: Code, address: number): void => {
      code.i32(address);
      code.i32(address);
      code.memory('i32.load', 0);
      code.i32(1);
      code.op('i32.add');
      code.memory('i32.store', 0);
    };
    const memory = run((code) => {
      const [limit] = code.parameters;
      if (limit === undefined) throw new Error('one parameter');
      countUp(code, code.local('i32'), { from: 0, by: 1, limit: () => code.get(limit) }, () => bump(code, 0));
      repeat(code, n, () => bump(code, 4));
    }, n);
    expect([...memory.slice(0, 2)]).toEqual([n, n]);
  });
});
