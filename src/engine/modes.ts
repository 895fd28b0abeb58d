/**
 * What becomes of a network before kernels are made of it: the graph of inference, and chains of formulas as one.
 * Nodes keep their ids, so that a value lies in the same buffer whatever the mode.
 */
import type { Expr } from './expr.ts';
import { input } from './expr.ts';
import type { GraphNode, MapNode } from './graph.ts';
import { inputsOf, nameOf } from './graph.ts';
import { substitute } from './rewrite.ts';
import { callsFunctions, inputNamesOf, nodeCount, reduces } from './search.ts';

/** Nodes in topological order, and the last one. */
export interface Net {
  readonly nodes: readonly GraphNode[];
  readonly output: GraphNode;
}

/** The same node over other inputs, given one for one. */
function rewire(n: GraphNode, replaced: ReadonlyMap<GraphNode, GraphNode>): GraphNode {
  const now = (x: GraphNode): GraphNode => replaced.get(x) ?? x;
  if (n.op === 'data' || inputsOf(n).every((x) => now(x) === x)) return n;
  if (n.op === 'concat') return { ...n, inputs: n.inputs.map(now) };
  if (n.op !== 'map') return { ...n, x: now(n.x) };
  const names = Object.fromEntries(n.inputs.map((x) => [nameOf(x), input(nameOf(now(x)))]));
  const named = (e: Expr): Expr => substitute(e, names);
  return {
    ...n,
    inputs: [...new Set(n.inputs.map(now))],
    formula: named(n.formula),
    inference: named(n.inference),
    next: n.next.map((s) => ({ ...s, expr: named(s.expr) })),
    kept: n.kept.map(named),
  };
}

/** Formulas as they are at inference; those that then do nothing are gone. */
export function inferenceOf({ nodes, output }: Net): Net {
  const replaced = new Map<GraphNode, GraphNode>();
  const kept: GraphNode[] = [];
  for (const n of nodes) {
    const made = rewire(n, replaced);
    const [x] = inputsOf(made);
    if (made.op === 'map' && made.inference.op === 'input' && x !== undefined) {
      replaced.set(n, x);
      continue;
    }
    const result = made.op === 'map' ? atInference(made) : made;
    replaced.set(n, result);
    kept.push(result);
  }
  return { nodes: kept, output: replaced.get(output) ?? output };
}

function atInference(n: MapNode): MapNode {
  const names = inputNamesOf(n.inference);
  return {
    ...n,
    inputs: n.inputs.filter((x) => names.has(nameOf(x))),
    parameters: n.parameters.filter((p) => names.has(p.name)),
    formula: n.inference,
    next: [],
    kept: [],
    random: [],
  };
}

/** Formulas are walked recursively, and not all of a step fits into registers: a network of formulas is no one formula. */
const FORMULA_NODES_MAX = 512;

/**
 * An elementwise formula takes in the formulas it is computed from, where nobody else reads those: one pass over memory
 * instead of two. With `differentiated`, not where the way back would have to compute a dear function again.
 */
export function mergeMaps({ nodes, output }: Net, differentiated: boolean): Net {
  const readers = new Map<GraphNode, number>();
  for (const n of nodes) for (const x of inputsOf(n)) readers.set(x, (readers.get(x) ?? 0) + 1);
  const replaced = new Map<GraphNode, GraphNode>();
  const gone = new Set<GraphNode>();
  const original = new Map<GraphNode, GraphNode>();
  for (const n of nodes) {
    let made = rewire(n, replaced);
    if (made.op === 'map' && !reduces(made.formula)) {
      for (const x of made.inputs) {
        const before = original.get(x);
        if (x.op !== 'map' || before === undefined || before === output || readers.get(before) !== 1)
          continue;
        if (differentiated && callsFunctions(x.formula)) continue;
        if (nodeCount(x.formula) + nodeCount(made.formula) > FORMULA_NODES_MAX) continue;
        made = merged(x, made);
        gone.add(x);
      }
    }
    replaced.set(n, made);
    original.set(made, n);
  }
  const all = nodes.map((n) => replaced.get(n) ?? n);
  return { nodes: all.filter((n) => !gone.has(n)), output: replaced.get(output) ?? output };
}

function merged(first: MapNode, second: MapNode): MapNode {
  const through = (e: Expr): Expr => substitute(e, { [nameOf(first)]: first.formula });
  return {
    ...second,
    inputs: [...new Set([...first.inputs, ...second.inputs.filter((x) => x !== first)])],
    parameters: [...new Set([...first.parameters, ...second.parameters])],
    formula: through(second.formula),
    derivativeFromOutput: null,
    next: [...first.next, ...second.next],
    kept: [...first.kept, ...second.kept.map(through)],
    random: [...first.random, ...second.random],
  };
}
