/**
 * Expressions as straight-line code: each value is computed once (common sub-expressions are shared), operands come
 * before their users, calls are expanded. Both back ends consume this form, so they agree on what is computed.
 */
import type { Expr, Extent, LaneType } from './expr.ts';
import { extentOf, laneType, operands } from './expr.ts';
import { createInterner } from './intern.ts';
import { expandCalls } from './math.ts';
import { rewrite } from './rewrite.ts';

export type InstructionOp = Exclude<Expr['op'], 'call' | 'stop' | 'reduce'>;

export interface Instruction {
  readonly op: InstructionOp;
  readonly type: LaneType;
  /** How far the value spreads; `scalar` values may be computed once, outside all loops. An `index` is along it. */
  readonly extent: Extent;
  /** Numbers of earlier instructions. */
  readonly args: readonly number[];
  /** The constant, the shift distance, or the number of the input; 0 otherwise. */
  readonly immediate: number;
}

export interface LaneInput {
  readonly name: string;
  readonly extent: Extent;
}

export interface LaneProgram {
  readonly inputs: readonly LaneInput[];
  readonly code: readonly Instruction[];
  /** The instruction that computes each of the given expressions, in their order. */
  readonly results: readonly number[];
}

/** Throws on a `reduce` node, and on one input name used with two extents. */
export function linearize(exprs: readonly Expr[]): LaneProgram {
  const intern = createInterner();
  const inputs: LaneInput[] = [];
  const code: Instruction[] = [];
  const numbers = new Map<Expr, number>();
  const extents = new Map<Expr, Extent>();

  const inputNumber = (name: string, extent: Extent): number => {
    const at = inputs.findIndex((i) => i.name === name);
    if (at < 0) return inputs.push({ name, extent }) - 1;
    if (inputs[at]?.extent !== extent) throw new Error(`input ${name} is used with two extents`);
    return at;
  };

  const immediateOf = (e: Expr): number => {
    if (e.op === 'const' || e.op === 'iconst') return e.value;
    if (e.op === 'input') return inputNumber(e.name, e.extent);
    return 'by' in e ? e.by : 0;
  };

  const visit = (e: Expr): number => {
    const known = numbers.get(e);
    if (known !== undefined) return known;
    if (e.op === 'reduce' || e.op === 'call' || e.op === 'stop')
      throw new Error(`${e.op} cannot be linearized`);
    const args = operands(e).map(visit);
    const extent = extentOf(e, extents);
    const number = code.push({ op: e.op, type: laneType(e), extent, args, immediate: immediateOf(e) }) - 1;
    numbers.set(e, number);
    return number;
  };

  const results = exprs.map((e) => visit(intern(withoutStops(expandCalls(e)))));
  return { inputs, code, results };
}

const withoutStops = (e: Expr): Expr => rewrite(e, (node) => (node.op === 'stop' ? node.a : node));
