/**
 * The way back through map nodes, before any kernel: for each input and parameter of a formula the expression of its
 * cotangent, and what of the way forward it reads from memory: values of nodes, and memos, which are parts of the
 * formula that are dear to compute again (reductions, and what a layer asks to keep).
 */
import { vjp } from './derive.ts';
import type { Expr } from './expr.ts';
import { extentOf, input, mul } from './expr.ts';
import type { GraphNode, MapNode, Parameter } from './graph.ts';
import { inputsOf, nameOf } from './graph.ts';
import { createInterner } from './intern.ts';
import { mapOperands, rewrite } from './rewrite.ts';
import { inputNamesOf, reduces, reductionsOf } from './search.ts';
import { simplify } from './simplify.ts';

export const G = input('g');

/** A part of a node's formula that the way forward stores and the way back reads under this name. */
export interface Memo {
  readonly name: string;
  readonly expr: Expr;
}

export interface MapBackward {
  readonly toInputs: ReadonlyMap<GraphNode, Expr>;
  readonly toParameters: ReadonlyMap<Parameter, Expr>;
  /** Inputs of the node whose values are read; `readsOutput`: its own, as `y`. */
  readonly reads: ReadonlySet<GraphNode>;
  readonly readsOutput: boolean;
  readonly memos: readonly Memo[];
}

export interface Derivatives {
  /** Whether a trained parameter lies in or before the node. */
  needsGradient(n: GraphNode): boolean;
  of(map: MapNode): MapBackward;
}

export const isTrained = (p: Parameter): boolean => p.role !== 'statistic';

const withoutStops = (e: Expr): Expr => rewrite(e, (node) => (node.op === 'stop' ? node.a : node));

export function createDerivatives(): Derivatives {
  const needs = new Map<GraphNode, boolean>();
  const needsGradient = (n: GraphNode): boolean => {
    const known = needs.get(n);
    if (known !== undefined) return known;
    const own = n.op === 'affine' || (n.op === 'map' && n.parameters.some(isTrained));
    const result = own || inputsOf(n).some(needsGradient);
    needs.set(n, result);
    return result;
  };

  const found = new Map<MapNode, MapBackward>();
  const of = (map: MapNode): MapBackward => {
    const known = found.get(map);
    if (known !== undefined) return known;
    const made = differentiate(map, needsGradient);
    found.set(map, made);
    return made;
  };
  return { needsGradient, of };
}

function differentiate(map: MapNode, needsGradient: (n: GraphNode) => boolean): MapBackward {
  const inputs = map.inputs.filter(needsGradient);
  const trained = map.parameters.filter(isTrained);
  const [only] = inputs;
  if (map.derivativeFromOutput !== null && only !== undefined) {
    const e = simplify(mul(G, map.derivativeFromOutput));
    const readsOutput = inputNamesOf(e).has('y');
    return {
      toInputs: new Map([[only, e]]),
      toParameters: new Map(),
      reads: new Set(),
      readsOutput,
      memos: [],
    };
  }
  const intern = createInterner();
  // Stops are written out on both sides: what is stored and what is read must be the same expression.
  const settled = (e: Expr): Expr => intern(simplify(withoutStops(e)));
  const memos = [...reductionsOf(settled(map.formula)), ...map.kept.map(settled)].map((expr, i) => ({
    name: `memo${i}`,
    expr,
  }));
  const byExpr = new Map(memos.map((m) => [m.expr, input(m.name, extentOf(m.expr))]));
  const done = new Map<Expr, Expr>();
  const remembered = (e: Expr): Expr => {
    const known = byExpr.get(e) ?? done.get(e);
    if (known !== undefined) return known;
    const made = mapOperands(e, remembered);
    done.set(e, made);
    return made;
  };
  const toward = (name: string): Expr => simplify(remembered(settled(vjp(map.formula, name, G))));
  const toInputs = new Map(inputs.map((x) => [x, toward(nameOf(x))]));
  const toParameters = new Map(trained.map((p) => [p, toward(p.name)]));
  const names = new Set(
    [...toInputs.values(), ...toParameters.values()].flatMap((e) => [...inputNamesOf(e)]),
  );
  return {
    toInputs,
    toParameters,
    reads: new Set(map.inputs.filter((x) => names.has(nameOf(x)))),
    readsOutput: false,
    memos: memos.filter((m) => names.has(m.name)),
  };
}

/** A map that a product can apply as it stores: nothing is summed, and the map has no other input to wait for. */
export const isElementwise = (map: MapNode): boolean => !reduces(map.formula);
