/** Reductions over the 16 virtual lanes, in the order that kernels.ts defines, whatever the width of a register. */
import type { ReduceFn } from '../../expr.ts';
import type { Store } from '../../kernels.ts';
import { VIRTUAL_LANES } from '../../kernels.ts';
import type { ThreeOperand, VectorInstructions } from './assembler.ts';
import { bitsOf, lanesFrom } from './lane-operations.ts';
import type { Gp, Mem, Vec } from './operands.ts';
import { rax } from './operands.ts';
import type { Target } from './target.ts';
import { FLOAT_BYTES } from './target.ts';

/** A block of which only the first columns exist: so many, or as many as a register says (1 … 15). */
export type Partial = { readonly lanes: number } | { readonly moving: true; readonly masks: readonly Vec[] };

/** The mask register that marks existing columns; k1 is the comparisons'. */
const COLUMNS = 2;
const JOIN: Readonly<Record<ReduceFn, ThreeOperand>> = { sum: 'vaddps', max: 'vmaxps' };
const identityBits = (fn: ReduceFn): number => (fn === 'sum' ? 0 : bitsOf(-Infinity));

export interface Reduction {
  readonly store: Store;
  readonly value: number;
  readonly fn: ReduceFn;
  /** One for each vector of a block. */
  readonly accumulators: readonly Vec[];
}

export const vectorsPerBlock = ({ isa }: Target): number => VIRTUAL_LANES / isa.lanes;

export function resetReduction({ asm, isa, v }: Target, { fn, accumulators }: Reduction): void {
  for (const acc of accumulators) {
    if (fn === 'max') v.two('vmovups', acc, asm.replicated(identityBits(fn)));
    else v.three(isa.name === 'avx2' ? 'vxorps' : 'vpxord', acc, acc, acc);
  }
}

/** Marks the columns of a moving block: how many there are is in a register. */
export function emitMovingMasks({ asm, isa, v }: Target, lanes: Gp, masks: readonly Vec[]): void {
  const [first] = masks;
  if (first === undefined) return;
  asm.xmm.two('vmovd', first, lanes);
  v.two('vpbroadcastd', first, first);
  if (isa.name === 'avx512') {
    const GREATER = 6;
    v.threeImmediate('vpcmpd', COLUMNS, first, lanesFrom(asm, 0), GREATER);
    return;
  }
  for (const [j, mask] of [...masks.entries()].reverse()) {
    v.three('vpcmpgtd', mask, first, lanesFrom(asm, j * isa.lanes));
  }
}

/** Vectors of a block that hold an existing column. */
export const vectorsIn = (target: Target, partial: Partial | null): number =>
  partial !== null && 'lanes' in partial
    ? Math.ceil(partial.lanes / target.isa.lanes)
    : vectorsPerBlock(target);

/** acc = op(acc, value); absent columns leave their lane untouched. `spare`: a register to use. */
export function accumulate(
  target: Target,
  { fn, accumulators }: Reduction,
  vector: number,
  value: Vec,
  partial: Partial | null,
  spare: Vec,
): void {
  const { asm, isa, v } = target;
  const acc = accumulators[vector];
  if (acc === undefined) throw new Error('an accumulator is missing');
  const lanes = partial !== null && 'lanes' in partial ? partial.lanes - vector * isa.lanes : isa.lanes;
  if (partial === null || ('lanes' in partial && lanes >= isa.lanes)) {
    v.three(JOIN[fn], acc, acc, value);
    return;
  }
  if (isa.name === 'avx512') {
    if ('lanes' in partial) {
      asm.movImmediate(rax, (1 << lanes) - 1);
      asm.kmovw(COLUMNS, rax);
    }
    v.three(JOIN[fn], acc, acc, value, { mask: COLUMNS });
    return;
  }
  v.three(JOIN[fn], spare, acc, value);
  if ('lanes' in partial) v.threeImmediate('vblendps', acc, acc, spare, (1 << lanes) - 1);
  else v.threeImmediate('vblendvps', acc, acc, spare, (partial.masks[vector] ?? -1) << 4);
}

/** Joins lanes l and l + 8, then l + 4, l + 2, l + 1; stores lane 0. */
export function storeRow(target: Target, { fn, accumulators }: Reduction, to: Mem, spare: Vec): void {
  const { asm, isa } = target;
  const [acc, high] = accumulators;
  if (acc === undefined) throw new Error('an accumulator is missing');
  const op = JOIN[fn];
  const join = (v: VectorInstructions, other: Vec | Mem): void => v.three(op, acc, acc, other);
  if (isa.name === 'avx512') {
    asm.zmm.extract('vextractf64x4', spare, acc, 1);
    join(asm.ymm, spare);
  } else if (high !== undefined) join(asm.ymm, high);
  // Lanes without columns hold the identity; + 0 changes nothing, and max may turn a NaN into it.
  else if (fn === 'max') join(asm.ymm, asm.replicated(identityBits(fn)));
  asm.ymm.extract('vextractf128', spare, acc, 1);
  join(asm.xmm, spare);
  asm.xmm.twoImmediate('vpermilps', spare, acc, 0x4e);
  join(asm.xmm, spare);
  asm.xmm.twoImmediate('vpermilps', spare, acc, 0xb1);
  join(asm.xmm, spare);
  asm.xmm.store('vmovss', to, acc);
}

/** Stores what exists of a vector in the block's last, moving part. */
export function storePartial(target: Target, to: Mem, value: Vec, vector: number, partial: Partial): void {
  const { v, isa } = target;
  if (!('masks' in partial)) v.store('vmovups', to, value);
  else if (isa.name === 'avx512') v.store('vmovups', to, value, { mask: COLUMNS });
  else v.maskedStore(to, partial.masks[vector] ?? -1, value);
}

export const stepOutput = (target: Target, slot: number): Mem => {
  target.asm.mov(rax, target.step.outputs);
  return { base: rax, disp: slot * FLOAT_BYTES };
};
