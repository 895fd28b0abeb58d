/** Lane expressions to test code on: every operation, by itself and in combinations that nobody has chosen. */
import type { Expr } from '../engine/expr.ts';
import * as e from '../engine/expr.ts';
import type { Random } from '../engine/random.ts';
import { below } from '../engine/random.ts';

export interface Leaves {
  readonly floats: readonly Expr[];
  readonly integers: readonly Expr[];
}

/** So many formulas of floats, each up to `depth` operations deep. */
export function randomLanes(random: Random, leaves: Leaves, count: number, depth: number): Expr[] {
  const pick = <T>(of: readonly T[]): T => of[below(random, of.length)] as T;
  const chosen = <T>(of: readonly (() => T)[]): T => pick(of)();

  const float = (left: number): Expr => {
    if (left === 0) return pick(leaves.floats);
    const [a, b] = [() => float(left - 1), () => float(left - 1)];
    return chosen<Expr>([
      () => pick([e.neg, e.abs, e.floor, e.nearest])(a()),
      () => e.sqrt(e.abs(a())),
      () => pick([e.add, e.sub, e.mul, e.div])(a(), b()),
      () => pick([e.add, e.sub, e.mul, e.min, e.max])(a(), b()),
      () => pick([e.exp, e.log, e.tanh])(a()),
      () => e.select(mask(left - 1), a(), b()),
      () => e.convert(integer(left - 1)),
      () => madeOfBits(integer(left - 1)),
    ]);
  };
  const mask = (left: number): Expr =>
    pick([e.lt, e.le, e.gt, e.ge, e.eq, e.ne])(float(left), below(random, 4) === 0 ? 0 : float(left));
  const integer = (left: number): Expr => {
    if (left === 0) return pick(leaves.integers);
    const [a, b] = [() => integer(left - 1), () => integer(left - 1)];
    return chosen<Expr>([
      () => pick([e.iadd, e.isub, e.imul, e.iand, e.ior, e.ixor])(a(), b()),
      () => pick([e.ishl, e.ishr, e.iushr])(a(), 1 + below(random, 31)),
      () => definedBits(float(left - 1)),
    ]);
  };
  return Array.from({ length: count }, () => float(depth));
}

/** Every operation on two floats, two integers and each other, as two formulas in which any other bit shows. */
export function everyOperation([a, b]: readonly [Expr, Expr], [i, j]: readonly [Expr, Expr]): Expr[] {
  const floats = [
    ...[e.neg, e.abs, e.floor, e.nearest].map((f) => f(a)),
    e.sqrt(e.abs(a)),
    ...[e.add, e.sub, e.mul, e.div, e.min, e.max].map((f) => f(a, b)),
    ...[e.lt, e.le, e.gt, e.ge, e.eq, e.ne].map((f) => e.select(f(a, b), a, b)),
    e.convert(i),
    madeOfBits(i),
  ];
  const integers = [
    ...[e.iadd, e.isub, e.imul, e.iand, e.ior, e.ixor].map((f) => f(i, j)),
    ...[e.ishl, e.ishr, e.iushr].map((f) => f(i, 5)),
    ...floats.map(definedBits),
  ];
  // To multiply by an odd number loses nothing: whatever differs once differs in the end.
  const all = integers.reduce((sum, next) => e.ixor(e.imul(sum, e.integer(0x9e3779b1)), next));
  return [e.convert(e.iand(all, e.integer(0xffff))), e.convert(e.iushr(all, 16))];
}

/** The bits of a NaN are not defined, so nothing may look at them. */
function definedBits(a: Expr): Expr {
  return e.bits(e.select(e.eq(a, a), a, 0));
}

/** A float between 1 and 2. */
function madeOfBits(a: Expr): Expr {
  return e.floatFromBits(e.ior(e.iand(a, e.integer(0x7fffff)), e.integer(0x3f800000)));
}
