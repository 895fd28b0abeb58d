/**
 * Expressions as text, for people: `print(formula)` gives the formula in infix form, with values that are used more
 * than once named first, one a line (`t0 = exp(x)`). Nothing parses it back.
 */
import type { Expr } from './expr.ts';
import { operands } from './expr.ts';

interface Infix {
  readonly sign: string;
  readonly level: number;
}

const INFIX: Readonly<Partial<Record<Expr['op'], Infix>>> = {
  lt: { sign: '<', level: 1 },
  le: { sign: '<=', level: 1 },
  gt: { sign: '>', level: 1 },
  ge: { sign: '>=', level: 1 },
  eq: { sign: '==', level: 1 },
  ne: { sign: '!=', level: 1 },
  add: { sign: '+', level: 2 },
  sub: { sign: '-', level: 2 },
  mul: { sign: '*', level: 3 },
  div: { sign: '/', level: 3 },
};
const NEGATION = 4;
const ATOM = 5;

interface Text {
  readonly text: string;
  readonly level: number;
}
const atom = (text: string): Text => ({ text, level: ATOM });
const guarded = ({ text, level }: Text, least: number): string => (level < least ? `(${text})` : text);

function functionName(e: Expr): string {
  if (e.op === 'call') return e.fn;
  if (e.op === 'reduce') return `${e.to}${e.fn === 'sum' ? 'Sum' : 'Max'}`;
  return e.op;
}

function write(e: Expr, operand: (e: Expr) => Text): Text {
  if (e.op === 'const' || e.op === 'iconst') return atom(shortest(e.value));
  if (e.op === 'input') return atom(e.name);
  if (e.op === 'index') return atom(e.axis);
  if (e.op === 'neg') return { text: `-${guarded(operand(e.a), NEGATION)}`, level: NEGATION };
  const infix = INFIX[e.op];
  if (infix !== undefined && 'b' in e) {
    // Operations group to the left and float arithmetic does not associate: the right side keeps its brackets.
    const left = guarded(operand(e.a), infix.level === 1 ? 2 : infix.level);
    return { text: `${left} ${infix.sign} ${guarded(operand(e.b), infix.level + 1)}`, level: infix.level };
  }
  const args = operands(e).map((o) => operand(o).text);
  if ('by' in e) args.push(String(e.by));
  return atom(`${functionName(e)}(${args.join(', ')})`);
}

/** The shortest decimal that rounds to the same f32. */
function shortest(value: number): string {
  for (let digits = 1; digits < 9; digits++) {
    const text = Number(value.toPrecision(digits));
    if (Object.is(Math.fround(text), value)) return String(text);
  }
  return String(value);
}

export function print(e: Expr): string {
  const uses = new Map<Expr, number>();
  const count = (node: Expr): void => {
    const before = uses.get(node) ?? 0;
    uses.set(node, before + 1);
    if (before === 0) operands(node).forEach(count);
  };
  count(e);

  const lines: string[] = [];
  const named = new Map<Expr, Text>();
  const operand = (node: Expr): Text => {
    const known = named.get(node);
    if (known !== undefined) return known;
    const text = write(node, operand);
    if (operands(node).length === 0 || (uses.get(node) ?? 0) < 2) return text;
    const name = atom(`t${lines.length}`);
    lines.push(`${name.text} = ${text.text}`);
    named.set(node, name);
    return name;
  };
  // Written first: it fills `lines`.
  const { text } = write(e, operand);
  return [...lines, text].join('\n');
}
