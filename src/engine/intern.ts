/** Structural sharing of expressions: equal expressions become the same object, so identity means equality. */
import type { Expr } from './expr.ts';
import { operands } from './expr.ts';
import { mapOperands } from './rewrite.ts';

function payload(e: Expr): string {
  switch (e.op) {
    case 'const':
      return Object.is(e.value, -0) ? '-0' : String(e.value);
    case 'iconst':
      return String(e.value);
    case 'input':
      return JSON.stringify([e.name, e.extent]);
    case 'index':
      return e.axis;
    case 'ishl':
    case 'ishr':
    case 'iushr':
      return String(e.by);
    case 'call':
      return e.fn;
    case 'reduce':
      return `${e.fn} ${e.to}`;
    default:
      return '';
  }
}

/** A function that returns one representative for all equal expressions it is ever given. */
export function createInterner(): (e: Expr) => Expr {
  const known = new Map<string, Expr>();
  const done = new Map<Expr, Expr>();
  const ids = new Map<Expr, number>();
  const intern = (e: Expr): Expr => {
    const before = done.get(e);
    if (before !== undefined) return before;
    const node = mapOperands(e, intern);
    const key = [node.op, payload(node), ...operands(node).map((o) => ids.get(o))].join(' ');
    const result = known.get(key) ?? node;
    if (result === node) {
      known.set(key, node);
      ids.set(node, ids.size);
      done.set(node, node);
    }
    done.set(e, result);
    return result;
  };
  return intern;
}
