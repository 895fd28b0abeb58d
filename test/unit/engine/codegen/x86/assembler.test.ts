/** Every instruction against GNU as: the golden table maps its text (Intel syntax) to its bytes. */
import { describe, expect, it } from 'vitest';
import type {
  Assembler,
  Extra,
  VectorInstructions,
} from '../../../../../src/engine/codegen/x86/assembler.ts';
import { createAssembler } from '../../../../../src/engine/codegen/x86/assembler.ts';
import type { Mem } from '../../../../../src/engine/codegen/x86/operands.ts';
import * as opcodes from '../../../../../src/engine/codegen/x86/vector-opcodes.ts';
import golden from '../../../../golden/x86-encodings.json' with { type: 'json' };

const gp = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');
const gp32 = 'eax ecx edx ebx esp ebp esi edi r8d r9d r10d r11d r12d r13d r14d r15d'.split(' ');

interface Parsed {
  readonly kind: 'gp' | 'gp32' | 'vector' | 'mask' | 'memory' | 'number';
  readonly number: number;
  readonly mem: Mem;
  readonly length: 'xmm' | 'ymm' | 'zmm' | null;
  readonly extra: Extra;
}

const nowhere: Mem = { base: 0, disp: 0 };

function parseMemory(text: string): Mem {
  const mem: { base: number; disp: number; index?: number; scale?: 1 | 2 | 4 | 8 } = { base: -1, disp: 0 };
  for (const part of text.slice(1, -1).split(/(?=[+-])/)) {
    const term = part.replace(/^\+/, '');
    const [name = '', scale] = term.split('*');
    const register = gp.indexOf(name);
    if (register < 0) mem.disp += Number(term);
    else if (scale !== undefined) {
      mem.index = register;
      mem.scale = Number(scale) as 1 | 2 | 4 | 8;
    } else mem.base = register;
  }
  return mem;
}

function parse(given: string): Parsed {
  const text = given.replace(/^(qword|dword) ptr /, '');
  const mask = /\{k(\d)\}/.exec(text)?.[1];
  const extra: Extra = {
    ...(mask !== undefined && { mask: Number(mask) }),
    ...(text.includes('{z}') && { zeroing: true }),
    ...(text.includes('{1to16}') && { broadcast: true }),
  };
  const bare = text.replace(/\{.*\}/, '');
  const of = (
    kind: Parsed['kind'],
    number: number,
    mem = nowhere,
    length: Parsed['length'] = null,
  ): Parsed => ({
    kind,
    number,
    mem,
    length,
    extra,
  });
  if (bare.startsWith('[')) return of('memory', 0, parseMemory(bare));
  const vector = /^([xyz]mm)(\d+)$/.exec(bare);
  if (vector) return of('vector', Number(vector[2]), nowhere, vector[1] as Parsed['length']);
  if (/^k\d$/.test(bare)) return of('mask', Number(bare[1]));
  if (gp.includes(bare)) return of('gp', gp.indexOf(bare));
  if (gp32.includes(bare)) return of('gp32', gp32.indexOf(bare));
  return of('number', Number(bare));
}

const operand = (p: Parsed | undefined): number | Mem => {
  if (p === undefined) throw new Error('an operand is missing');
  return p.kind === 'memory' ? p.mem : p.number;
};
const num = (p: Parsed | undefined): number => p?.number ?? -1;
const isKey = <T extends object>(table: T, name: string): name is Extract<keyof T, string> => name in table;

function emitVector(v: VectorInstructions, name: string, o: readonly Parsed[]): boolean {
  const [d, a, b, c] = o;
  const extra = Object.assign({}, ...o.map((p) => p.extra)) as Extra;
  if (name === 'vmaskmovps') {
    if (d?.kind === 'memory') v.maskedStore(d.mem, num(a), num(b));
    else v.maskedLoad(num(d), num(a), b?.mem ?? nowhere);
  } else if (d?.kind === 'memory' && isKey(opcodes.stores, name)) v.store(name, d.mem, num(a), extra);
  else if (isKey(opcodes.extracts, name)) v.extract(name, operand(d), num(a), num(b));
  else if (isKey(opcodes.shifts, name)) v.shift(name, num(d), num(a), num(b));
  else if (isKey(opcodes.threeOperand, name)) v.three(name, num(d), num(a), operand(b), extra);
  else if (isKey(opcodes.twoOperandImmediate, name)) v.twoImmediate(name, num(d), operand(a), num(b), extra);
  else if (isKey(opcodes.threeOperandImmediate, name)) {
    const immediate = c?.kind === 'vector' ? c.number << 4 : num(c);
    v.threeImmediate(name, num(d), num(a), operand(b), immediate, extra);
  } else if (isKey(opcodes.twoOperand, name)) v.two(name, num(d), operand(a), extra);
  else return false;
  return true;
}

const arithmetic = ['add', 'or', 'and', 'sub', 'xor', 'cmp'] as const;

function emitGeneral(asm: Assembler, name: string, o: readonly Parsed[], wide32: boolean): void {
  const [d, a, b] = o;
  const op = arithmetic.find((n) => n === name);
  if (op !== undefined) {
    if (d?.kind === 'gp32') asm.op32(op, d.number, operand(a));
    else if (a?.kind !== 'number') asm.op(op, operand(d), operand(a));
    else if (wide32) asm.op32Immediate(op, operand(d), a.number);
    else asm.opImmediate(op, operand(d), a.number);
    return;
  }
  switch (name) {
    case 'mov':
      if (a?.kind === 'number') asm.movImmediate(operand(d), a.number);
      else if (d?.kind === 'gp32' || a?.kind === 'gp32') asm.mov32(operand(d), operand(a));
      else asm.mov(operand(d), operand(a));
      break;
    case 'lea':
      asm.lea(num(d), a?.mem ?? nowhere);
      break;
    case 'imul':
      if (b === undefined) asm.imul(num(d), operand(a));
      else asm.imulImmediate(num(d), operand(a), b.number);
      break;
    case 'div':
      asm.div(operand(d));
      break;
    case 'test':
      asm.test(num(d), num(a));
      break;
    case 'shl':
    case 'shr':
    case 'sar':
      asm.shift(name, num(d), num(a));
      break;
    case 'lock xadd':
      asm.lockXadd32(d?.mem ?? nowhere, num(a));
      break;
    case 'prefetcht0':
      asm.prefetch(d?.mem ?? nowhere);
      break;
    case 'kmovw':
      asm.kmovw(num(d), num(a));
      break;
    case 'push':
    case 'pop':
      asm[name](num(d));
      break;
    case 'ret':
    case 'pause':
    case 'syscall':
    case 'cpuid':
    case 'xgetbv':
    case 'rdtsc':
    case 'vzeroupper':
      asm[name]();
      break;
    default:
      throw new Error(`no test for ${name}`);
  }
}

function assemble(text: string): string {
  const asm = createAssembler();
  const start = asm.here();
  const [, name = '', rest = ''] = /^(lock \w+|\w+) ?(.*)$/.exec(text) ?? [];
  const o = rest === '' ? [] : rest.split(', ').map(parse);
  const length =
    o
      .map((p) => p.length)
      .sort()
      .findLast((l) => l !== null) ?? 'ymm';
  if (!name.startsWith('v') || !emitVector(asm[length], name, o)) {
    emitGeneral(asm, name, o, text.includes('dword ptr'));
  }
  const end = asm.here();
  return Buffer.from(asm.finish().subarray(start, end)).toString('hex');
}

describe('the assembler writes what GNU as writes', () => {
  const nameOf = (text: string): string => text.split(' ')[0] ?? '';
  const names = [...new Set(Object.keys(golden).map(nameOf))];
  it.each(names)('%s', (name) => {
    const lines = Object.entries(golden).filter(([text]) => nameOf(text) === name);
    for (const [text, bytes] of lines) expect(`${text}: ${assemble(text)}`).toBe(`${text}: ${bytes}`);
  });
});
