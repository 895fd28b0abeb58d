/** Lane expressions at random, of every operation, and vectors of values where they are hardest to compute. */
import fc from 'fast-check';
import type { BinaryOp, CompareOp, Expr, IntOp, UnaryOp } from '../../../../src/engine/expr.ts';
import {
  bits,
  constant,
  convert,
  eq,
  exp,
  floatFromBits,
  input,
  integer,
  log,
  select,
  tanh,
} from '../../../../src/engine/expr.ts';

/** Not a whole number of vectors. */
export const WIDTH = 37;

const special = [
  0,
  -0,
  1,
  -1,
  0.5,
  -0.5,
  1.5,
  2.5,
  -2.5,
  1e-40,
  -1e-45,
  2 ** -126,
  8388609,
  2 ** 31,
  1e30,
  3e38,
];
const edges = [...special, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];
const value = fc.oneof(fc.constantFrom(...edges), fc.float(), fc.float({ min: -20, max: 20 }));
/** Values of one input: special ones, and any others. */
export const vector = fc
  .array(value, { minLength: WIDTH, maxLength: WIDTH })
  .map((v) => Float32Array.from(v));

const unaryOps: readonly UnaryOp[] = ['neg', 'abs', 'sqrt', 'floor', 'nearest'];
const binaryOps: readonly BinaryOp[] = ['add', 'sub', 'mul', 'div', 'min', 'max'];
const compareOps: readonly CompareOp[] = ['lt', 'le', 'gt', 'ge', 'eq', 'ne'];
const intOps: readonly IntOp[] = ['iadd', 'isub', 'imul', 'iand', 'ior', 'ixor'];

/** The bits of a NaN are not defined, so nothing may look at them. */
const definedBits = (e: Expr): Expr => bits(select(eq(e, e), e, 0));

/** Expressions of the inputs p and q. */
export const { float } = fc.letrec<{ float: Expr; int: Expr; mask: Expr }>((tie) => ({
  float: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(input('p', 'col'), input('q', 'col')),
    fc.constantFrom(...edges).map(constant),
    fc.tuple(fc.constantFrom(...unaryOps), tie('float')).map(([op, a]): Expr => ({ op, a })),
    fc
      .tuple(fc.constantFrom(...binaryOps), tie('float'), tie('float'))
      .map(([op, a, b]): Expr => ({ op, a, b })),
    fc.tuple(tie('mask'), tie('float'), tie('float')).map(([m, a, b]) => select(m, a, b)),
    fc.tuple(fc.constantFrom(exp, log, tanh), tie('float')).map(([f, a]) => f(a)),
    tie('int').map(convert),
    tie('int').map((i) => floatFromBits(i)),
  ),
  int: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.integer().map(integer),
    tie('float').map(definedBits),
    fc.tuple(fc.constantFrom(...intOps), tie('int'), tie('int')).map(([op, a, b]): Expr => ({ op, a, b })),
    fc
      .tuple(fc.constantFrom('ishl', 'ishr', 'iushr'), tie('int'), fc.integer({ min: 0, max: 31 }))
      .map(([op, a, by]): Expr => ({ op, a, by })),
    fc.tuple(tie('mask'), tie('int'), tie('int')).map(([mask, a, b]): Expr => ({ op: 'select', mask, a, b })),
  ),
  mask: fc
    .tuple(fc.constantFrom(...compareOps), tie('float'), tie('float'))
    .map(([op, a, b]): Expr => ({ op, a, b })),
}));
