/**
 * Reverse-mode differentiation of lane expressions, as graphs: every node is differentiated once, however often it
 * is used. Extents are respected: what was broadcast on the way forward is summed on the way back, and the reverse.
 *
 * Where a derivative does not exist the choice is PyTorch's: |x|′(0) = 0, the maximum of a reduction shares its
 * gradient evenly among ties. `min`, `max` and `select` pass the gradient to the operand they return.
 */
import type { Expr, Extent } from './expr.ts';
import {
  add,
  colSum,
  constant,
  div,
  eq,
  extentOf,
  gt,
  laneType,
  lt,
  mul,
  neg,
  operands,
  rowSum,
  select,
  sub,
} from './expr.ts';
import { laneFunctions } from './math.ts';
import { simplify } from './simplify.ts';

const ZERO = constant(0);

/** Operands before their users, each once. */
function topologicalOrder(root: Expr): Expr[] {
  const seen = new Set<Expr>();
  const order: Expr[] = [];
  const visit = (e: Expr): void => {
    if (seen.has(e)) return;
    seen.add(e);
    for (const o of operands(e)) visit(o);
    order.push(e);
  };
  visit(root);
  return order;
}

/** Nodes through which the input acts; a stop or a comparison cuts the way. */
function dependents(order: readonly Expr[], inputName: string): ReadonlySet<Expr> {
  const found = new Set<Expr>();
  for (const e of order) {
    const cut = e.op === 'stop' || laneType(e) === 'mask';
    const acts = e.op === 'input' ? e.name === inputName : operands(e).some((o) => found.has(o));
    if (acts && !cut) found.add(e);
  }
  return found;
}

/** Sums a gradient over the directions in which `to` was broadcast to become `from`. */
function unbroadcast(gradient: Expr, from: Extent, to: Extent): Expr {
  if (from === to) return gradient;
  if (from === 'full' && to === 'row') return rowSum(gradient);
  if (from === 'full' && to === 'col') return linearColSum(gradient);
  throw new Error(`cannot sum a gradient from ${from} to ${to}`);
}

/**
 * The sum down the columns with what is the same in a whole column taken out: Σ(a·u + c·v) = a·Σu + c·Σv. Sums of one
 * stage take one pass over memory together, sums of sums take two.
 */
function linearColSum(e: Expr): Expr {
  const extents = new Map<Expr, Extent>();
  const isFull = (x: Expr): boolean => ['full', 'row'].includes(extentOf(x, extents));
  /** Null where nothing can be taken out. */
  const split = (x: Expr): Expr | null => {
    if (x.op === 'neg') {
      const inner = split(x.a);
      return inner === null ? null : neg(inner);
    }
    if (x.op === 'mul') {
      if (!isFull(x.a)) return mul(x.a, linearColSum(x.b));
      return isFull(x.b) ? null : mul(linearColSum(x.a), x.b);
    }
    if (x.op === 'div' && !isFull(x.b)) return div(linearColSum(x.a), x.b);
    if ((x.op === 'add' || x.op === 'sub') && isFull(x.a) && isFull(x.b)) {
      const a = split(x.a);
      const b = split(x.b);
      if (a === null && b === null) return null;
      return (x.op === 'add' ? add : sub)(a ?? colSum(x.a), b ?? colSum(x.b));
    }
    return null;
  };
  return split(e) ?? colSum(e);
}

/** What each differentiable operand contributes to the gradient: pairs of operand and its share of `g`. */
function shares(e: Expr, g: Expr): readonly (readonly [Expr, Expr])[] {
  switch (e.op) {
    case 'neg':
      return [[e.a, neg(g)]];
    case 'abs':
      return [[e.a, select(gt(e.a, 0), g, select(lt(e.a, 0), neg(g), 0))]];
    case 'sqrt':
      return [[e.a, div(mul(g, 0.5), e)]];
    case 'floor':
    case 'nearest':
      return [];
    case 'add':
      return [
        [e.a, g],
        [e.b, g],
      ];
    case 'sub':
      return [
        [e.a, g],
        [e.b, neg(g)],
      ];
    case 'mul':
      return [
        [e.a, mul(g, e.b)],
        [e.b, mul(g, e.a)],
      ];
    case 'div':
      return [
        [e.a, div(g, e.b)],
        [e.b, neg(div(mul(g, e), e.b))],
      ];
    case 'min':
    case 'max': {
      const first = e.op === 'min' ? lt(e.a, e.b) : gt(e.a, e.b);
      return [
        [e.a, select(first, g, 0)],
        [e.b, select(first, 0, g)],
      ];
    }
    case 'select':
      return [
        [e.a, select(e.mask, g, 0)],
        [e.b, select(e.mask, 0, g)],
      ];
    case 'call':
      return [[e.a, mul(g, laneFunctions[e.fn].derivative(e.a, e))]];
    case 'reduce': {
      if (e.fn === 'sum') return [[e.a, g]];
      const holds = eq(e.a, e);
      const ones = select(holds, 1, 0);
      const ties = e.to === 'row' ? rowSum(ones) : colSum(ones);
      return [[e.a, select(holds, div(g, ties), 0)]];
    }
    default:
      throw new Error(`cannot differentiate through ${e.op}`);
  }
}

/**
 * The gradient of Σ cotangent · output with respect to the input named `inputName`, where the sum runs over all
 * elements of the output. `cotangent` has the output's extent (or a smaller one, meaning the same value along it).
 * Throws on bit operations that depend on the input, and on a reduction of a gradient to one scalar.
 */
export function vjp(output: Expr, inputName: string, cotangent: Expr): Expr {
  const order = topologicalOrder(output);
  const active = dependents(order, inputName);
  const extents = new Map<Expr, Extent>();
  const gradients = new Map<Expr, Expr>([[output, cotangent]]);
  let total: Expr | null = null;
  for (const e of order.toReversed()) {
    const g = gradients.get(e);
    if (g === undefined || !active.has(e)) continue;
    if (e.op === 'input') {
      total = total === null ? g : add(total, g);
      continue;
    }
    // A reduction reads its operand over the whole domain, whatever the operand's own extent.
    const domain = e.op === 'reduce' ? 'full' : extentOf(e, extents);
    for (const [operand, share] of shares(e, g)) {
      if (!active.has(operand)) continue;
      const part = unbroadcast(simplify(share), domain, extentOf(operand, extents));
      const before = gradients.get(operand);
      gradients.set(operand, before === undefined ? part : sum(before, part));
    }
  }
  return simplify(total ?? ZERO);
}

/** a + (−b) is written a − b: the same bits, one operation less. */
const sum = (a: Expr, b: Expr): Expr => (b.op === 'neg' ? sub(a, b.a) : add(a, b));
