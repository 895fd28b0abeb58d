/** Questions about what an expression contains; every node is looked at once, however often it is used. */
import type { Expr } from './expr.ts';
import { operands } from './expr.ts';

/** Whether any node of the expression is one of those looked for; `enter` false: not beyond this node. */
export function contains(
  e: Expr,
  found: (node: Expr) => boolean,
  enter: (node: Expr) => boolean = () => true,
): boolean {
  const seen = new Set<Expr>();
  const visit = (node: Expr): boolean => {
    if (seen.has(node)) return false;
    seen.add(node);
    return found(node) || (enter(node) && operands(node).some(visit));
  };
  return visit(e);
}

export const reduces = (e: Expr): boolean => contains(e, (node) => node.op === 'reduce');
export const callsFunctions = (e: Expr): boolean => contains(e, (node) => node.op === 'call');

const NODES_OF_CALL = 32;

/** How many different nodes it has, roughly: as if functions were written out. */
export function nodeCount(e: Expr): number {
  let count = 0;
  contains(e, (node) => {
    count += node.op === 'call' ? NODES_OF_CALL : 1;
    return false;
  });
  return count;
}

/** The names of its inputs. */
export function inputNamesOf(e: Expr): ReadonlySet<string> {
  const names = new Set<string>();
  contains(e, (node) => {
    if (node.op === 'input') names.add(node.name);
    return false;
  });
  return names;
}

/** Its reductions, inner ones first. */
export function reductionsOf(e: Expr): readonly Expr[] {
  const seen = new Set<Expr>();
  const found: Expr[] = [];
  const visit = (node: Expr): void => {
    if (seen.has(node)) return;
    seen.add(node);
    operands(node).forEach(visit);
    if (node.op === 'reduce') found.push(node);
  };
  visit(e);
  return found;
}
