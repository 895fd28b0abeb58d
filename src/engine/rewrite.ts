/** Bottom-up rewriting of expressions as graphs: each shared node is visited once and stays shared. */
import type { Expr } from './expr.ts';

/** The node with each operand mapped; the node itself when nothing changed. */
export function mapOperands(e: Expr, map: (operand: Expr) => Expr): Expr {
  if (e.op === 'select') {
    const mask = map(e.mask);
    const a = map(e.a);
    const b = map(e.b);
    return mask === e.mask && a === e.a && b === e.b ? e : { ...e, mask, a, b };
  }
  if ('b' in e) {
    const a = map(e.a);
    const b = map(e.b);
    return a === e.a && b === e.b ? e : { ...e, a, b };
  }
  if ('a' in e) {
    const a = map(e.a);
    return a === e.a ? e : { ...e, a };
  }
  return e;
}

/** Replaces every node, operands first, by what `step` makes of it. */
export function rewrite(e: Expr, step: (node: Expr) => Expr): Expr {
  const done = new Map<Expr, Expr>();
  const visit = (node: Expr): Expr => {
    const known = done.get(node);
    if (known !== undefined) return known;
    const result = step(mapOperands(node, visit));
    done.set(node, result);
    return result;
  };
  return visit(e);
}

/** The expression with each input of a given name replaced, e.g. to apply a formula to something else. */
export function substitute(e: Expr, replacements: Readonly<Record<string, Expr>>): Expr {
  return rewrite(e, (node) => (node.op === 'input' ? (replacements[node.name] ?? node) : node));
}
