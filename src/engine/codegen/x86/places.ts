/** Where the elements of one vector lie, and how a kernel's inputs are read there. rax is the lanes' own. */

import type { Binding, BufferInfo, Source, Store, View } from '../../kernels.ts';
import type { LaneProgram } from '../../linearize.ts';
import { log2 } from '../log2.ts';
import type { Locate, Origin, Sink } from './lane-emitter.ts';
import { lanesFrom } from './lane-operations.ts';
import type { Mem, Vec } from './operands.ts';
import { offset, rax } from './operands.ts';
import type { Target } from './target.ts';
import { ARENA, bufferOf, FLOAT_BYTES } from './target.ts';

/** Addresses as if each buffer began at the arena's start: its offset comes on top. */
export interface Place {
  /** Of a matrix, seen through a view or not. */
  full(b: BufferInfo, view: View | undefined): Mem;
  /** Of vectors along the columns, and of those along the rows. */
  readonly col: Mem;
  readonly row: Mem;
}

export function locateAt(
  target: Target,
  kernel: { readonly label: string; readonly bindings: readonly Binding[] },
  program: LaneProgram,
  place: Place,
  accumulator: Origin | null = null,
): Locate {
  return (i) => {
    if (i.op === 'index') return indexAt(target, i.extent === 'row' ? 'row' : 'col', place);
    const name = program.inputs[i.immediate]?.name;
    if (accumulator !== null && name === 'acc') return accumulator;
    const source = kernel.bindings.find((b) => b.name === name)?.source;
    if (source === undefined) throw new Error(`${kernel.label}: ${name} is not bound`);
    return sourceAt(target, source, place);
  };
}

function sourceAt(target: Target, source: Source, place: Place): Origin {
  const { asm, v, step } = target;
  if (source.from === 'stepInput') {
    const load = (d: Vec): void => {
      asm.mov(rax, step.inputs);
      v.two('vbroadcastss', d, { base: rax, disp: source.slot * FLOAT_BYTES });
    };
    return { in: 'code', load };
  }
  const b = bufferOf(target, source.buffer);
  const { offset: bytes } = b;
  switch (source.extent) {
    case 'scalar':
      return { in: 'memory', mem: { base: ARENA, disp: bytes }, form: 'broadcast' };
    case 'row':
      return { in: 'memory', mem: offset(place.row, bytes), form: 'broadcast' };
    case 'col':
      return { in: 'memory', mem: offset(place.col, bytes), form: 'vector' };
    case 'full':
      return { in: 'memory', mem: offset(place.full(b, source.view), bytes), form: 'vector' };
    default:
      return source.extent satisfies never;
  }
}

/** Numbers of rows and columns follow from the addresses of vectors along them. */
function indexAt(target: Target, axis: 'row' | 'col', place: Place): Origin {
  const { asm, v } = target;
  const load = (d: Vec): void => {
    asm.lea(rax, place[axis]);
    asm.op('sub', rax, ARENA);
    asm.shift('shr', rax, log2(FLOAT_BYTES));
    asm.xmm.two('vmovd', d, rax);
    v.two('vpbroadcastd', d, d);
    if (axis === 'col') v.three('vpaddd', d, d, lanesFrom(asm, 0));
  };
  return { in: 'code', load };
}

/** Stores of elements, one sink each. */
export function elementSinks(
  target: Target,
  kernel: { readonly bindings: readonly Binding[] },
  program: LaneProgram,
  stores: readonly { readonly store: Store; readonly value: number }[],
  place: Place,
  write: (mem: Mem, register: Vec) => void,
): Sink[] {
  return stores.map(({ store: { target: to }, value }): Sink => {
    if (to.to === 'stepOutput') throw new Error('a step output must be a reduction');
    const b = bufferOf(target, to.buffer);
    const mem = offset(b.kind === 'matrix' ? place.full(b, to.view) : place.col, b.offset);
    return {
      value,
      overwrites: inputsFrom(kernel.bindings, program, to.buffer),
      take: (register) => write(mem, register),
    };
  });
}

/** Numbers of the instructions that read a buffer element by element. */
function inputsFrom(bindings: readonly Binding[], program: LaneProgram, buffer: number): number[] {
  return [...program.code.entries()].flatMap(([n, i]) => {
    if (i.op !== 'input') return [];
    const source = bindings.find((b) => b.name === program.inputs[i.immediate]?.name)?.source;
    const reads = source?.from === 'buffer' && source.buffer === buffer && source.extent !== 'scalar';
    return reads ? [n] : [];
  });
}
