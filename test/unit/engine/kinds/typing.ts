/** Whether a lane expression is well formed: what each operation takes, and which inputs it reads. */
import type { Expr, LaneType } from '../../../../src/engine/expr.ts';
import { laneType, operands } from '../../../../src/engine/expr.ts';

function expected(e: Expr): readonly LaneType[] {
  switch (e.op) {
    case 'select':
      return ['mask', laneType(e.a), laneType(e.a)];
    case 'iadd':
    case 'isub':
    case 'imul':
    case 'iand':
    case 'ior':
    case 'ixor':
      return ['i32', 'i32'];
    case 'ishl':
    case 'ishr':
    case 'iushr':
    case 'float':
    case 'convert':
      return ['i32'];
    default:
      return operands(e).map(() => 'f32');
  }
}

/** Throws on an operand of the wrong type and on a mask that is selected. Returns the names of the inputs read. */
export function checkTyping(root: Expr): ReadonlySet<string> {
  const inputs = new Set<string>();
  const seen = new Set<Expr>();
  const visit = (e: Expr): void => {
    if (seen.has(e)) return;
    seen.add(e);
    if (e.op === 'input') inputs.add(e.name);
    if (e.op === 'select' && laneType(e.a) === 'mask') throw new Error('select of masks');
    const wanted = expected(e);
    operands(e).forEach((o, i) => {
      if (laneType(o) !== wanted[i])
        throw new Error(`operand ${i} of ${e.op} is ${laneType(o)}, not ${wanted[i]}`);
      visit(o);
    });
  };
  visit(root);
  return inputs;
}
