import { describe, expect, it } from 'vitest';
import { linearize } from '../../../src/engine/linearize.ts';
import { stream } from '../../../src/engine/random.ts';
import type { NativeMemory } from '../../../src/native/memory.ts';
import { openMemory } from '../../../src/native/memory.ts';
import { openNative } from '../../../src/native/native.ts';
import { selfTestPlan } from '../../../src/native/self-test-plan.ts';
import { native } from '../engine/codegen/native.ts';

const OPERATIONS =
  'const iconst input index neg abs sqrt floor nearest add sub mul div min max lt le gt ge eq ne ' +
  'iadd isub imul iand ior ixor ishl ishr iushr select bits float convert';

const TWO_BYTE_VEX = 0xc5;
const THREE_BYTE_VEX = 0xc4;
/** 256 bits and no prefix, in the last byte of either form. */
const isPlainYmm = (byte = 0): boolean => (byte & 0x07) === 0x04;
const EVEX = 0x62;
/** The 0F opcodes on 512 bits, without a prefix, in the three bytes that follow. */
const isPlainZmm = (first = 0, second = 0, third = 0): boolean =>
  (first & 0x0f) === 1 && (second & 0x87) === 0x04 && (third & 0x60) === 0x40;

/** One instruction of the 0F opcodes on whole registers in place of another, wherever it stands. */
const swapped =
  (opcode: number, other: number) =>
  (code: Uint8Array): Uint8Array => {
    const changed = code.slice();
    for (let i = 0; i + 4 < changed.length; i++) {
      const [vex, second = 0, third = 0, fourth = 0] = changed.subarray(i, i + 4);
      if (vex === TWO_BYTE_VEX && isPlainYmm(second) && third === opcode) changed[i + 2] = other;
      const inMap = vex === THREE_BYTE_VEX && (second & 0x1f) === 1 && isPlainYmm(third);
      if (inMap && changed[i + 3] === opcode) changed[i + 3] = other;
      const isEvex = vex === EVEX && isPlainZmm(second, third, fourth);
      if (isEvex && changed[i + 4] === opcode) changed[i + 4] = other;
    }
    return changed;
  };

const withCode = (change: (code: Uint8Array) => Uint8Array): NativeMemory => {
  const memory = openMemory();
  return { ...memory, load: (code) => memory.load(change(code)) };
};

it('goes through every operation of the lanes', () => {
  const { kernels } = selfTestPlan(stream(1, 'lanes')).programs.train;
  const used = kernels.flatMap((k) =>
    k.kind === 'map' || k.kind === 'gemm'
      ? linearize(k.stores.map((s) => s.expr)).code.map(({ op }) => op)
      : [],
  );
  expect([...new Set<string>(used)].sort()).toEqual(OPERATIONS.split(' ').sort());
  expect(new Set(kernels.map(({ kind }) => kind))).toEqual(new Set(['map', 'gemm', 'gather', 'move']));
});

describe.runIf(Object.keys(native).some((name) => name.endsWith('avx2')))('the self-test', () => {
  it('passes on this processor', () => {
    expect(openNative().isas).toContain('avx2');
  });

  it.each([
    ['a difference for a sum', 0x58, 0x5c],
    ['a sum for a difference', 0x5c, 0x58],
    ['a sum for a product', 0x59, 0x58],
    ['a product for a quotient', 0x5e, 0x59],
    ['a maximum for a minimum', 0x5d, 0x5f],
    ['a minimum for a maximum', 0x5f, 0x5d],
    ['a copy for a square root', 0x51, 0x28],
  ])('finds %s', (_, opcode, other) => {
    const memory = withCode(swapped(opcode, other));
    expect(() => openNative({ memory })).toThrow(
      /^the self-test fails: [^\n]+ differ from the interpreter's$/,
    );
  });

  it('is not repeated where it has passed', () => {
    const memory = withCode(swapped(0x58, 0x5c));
    expect(() => openNative({ memory, tested: true })).not.toThrow();
  });
});
