/**
 * The tensor graph of a network: what layers build, before any kernel exists. Nodes are rows × features values, where
 * the rows are the batch. Any directed acyclic graph can be written; a node is made from nodes that exist already, so
 * creation order is topological.
 */
import type { Expr } from './expr.ts';
import { input, operands } from './expr.ts';

export interface Node {
  readonly id: number;
  readonly features: number;
}

export interface ParameterRef {
  readonly name: string;
}

export interface ParameterSpec {
  readonly shape: readonly number[];
  readonly fanIn: number;
  readonly fanOut: number;
  readonly initializer: { readonly kind: string };
}

export interface GraphBuilder {
  parameter(name: string, p: ParameterSpec): ParameterRef;
  /** x·Wᵀ + b for a weight of shape [units, inputs] and a bias of shape [units]. */
  affine(x: Node, weight: ParameterRef, bias: ParameterRef | null): Node;
  /**
   * Applies a formula to a node; it may reduce along rows or columns. `derivativeFromOutput` is dy/dx written in y,
   * for elementwise formulas: then x need not be kept for the way back.
   */
  map(x: Node, formula: (x: Expr) => Expr, derivativeFromOutput?: (y: Expr) => Expr): Node;
  /** a + b, element by element: where paths join again. */
  add(a: Node, b: Node): Node;
}

export interface DataNode extends Node {
  readonly op: 'data';
}
export interface AffineNode extends Node {
  readonly op: 'affine';
  readonly x: GraphNode;
  readonly weight: Parameter;
  readonly bias: Parameter | null;
}
export interface MapNode extends Node {
  readonly op: 'map';
  readonly x: GraphNode;
  /** Over the input `x`. */
  readonly formula: Expr;
  /** Over the input `y`, or null. */
  readonly derivativeFromOutput: Expr | null;
  readonly elementwise: boolean;
}
export interface AddNode extends Node {
  readonly op: 'add';
  readonly a: GraphNode;
  readonly b: GraphNode;
}
export type GraphNode = DataNode | AffineNode | MapNode | AddNode;
export type Parameter = ParameterRef & ParameterSpec;

export interface Graph extends GraphBuilder {
  readonly data: DataNode;
  readonly nodes: readonly GraphNode[];
  readonly parameters: readonly Parameter[];
  /** The graph's own record of a node that a layer handed back. */
  node(ref: Node): GraphNode;
}

/** What a node is computed from, in order; the same node may be there twice. */
export function inputsOf(n: GraphNode): readonly GraphNode[] {
  if (n.op === 'data') return [];
  return n.op === 'add' ? [n.a, n.b] : [n.x];
}

const X = input('x');
const Y = input('y');

function reduces(e: Expr, seen = new Set<Expr>()): boolean {
  if (seen.has(e)) return false;
  seen.add(e);
  return e.op === 'reduce' || operands(e).some((o) => reduces(o, seen));
}

/** An empty graph over `features` columns of data. Builder methods throw on shapes that do not fit. */
export function createGraph(features: number): Graph {
  const data: DataNode = { op: 'data', id: 0, features };
  const nodes: GraphNode[] = [data];
  const parameters: Parameter[] = [];

  const node = (ref: Node): GraphNode => {
    const found = nodes[ref.id];
    if (found !== ref) throw new Error(`node ${ref.id} belongs to another graph`);
    return found;
  };
  const parameter = (ref: ParameterRef): Parameter => {
    const found = parameters.find((p) => p === ref);
    if (found === undefined) throw new Error(`parameter ${ref.name} belongs to another graph`);
    return found;
  };
  const added = <T extends GraphNode>(made: T): T => {
    nodes.push(made);
    return made;
  };

  return {
    data,
    nodes,
    parameters,
    node,
    parameter(name, p) {
      if (parameters.some((other) => other.name === name))
        throw new Error(`two parameters are named ${name}`);
      if (p.shape.length < 1 || p.shape.length > 2)
        throw new Error(`${name}: a parameter has 1 or 2 dimensions`);
      const made = { name, ...p };
      parameters.push(made);
      return made;
    },
    affine(x, weight, bias) {
      const w = parameter(weight);
      const b = bias === null ? null : parameter(bias);
      const [units = 0, inputs] = w.shape;
      if (inputs !== x.features) throw new Error(`${w.name}: takes ${inputs} inputs, not ${x.features}`);
      if (b !== null && (b.shape.length !== 1 || b.shape[0] !== units)) {
        throw new Error(`${b.name}: must have shape [${units}]`);
      }
      return added({ op: 'affine', id: nodes.length, features: units, x: node(x), weight: w, bias: b });
    },
    map(x, formula, derivativeFromOutput) {
      const e = formula(X);
      if (e === X) return x;
      return added({
        op: 'map',
        id: nodes.length,
        features: x.features,
        x: node(x),
        formula: e,
        derivativeFromOutput: derivativeFromOutput?.(Y) ?? null,
        elementwise: !reduces(e),
      });
    },
    add(a, b) {
      if (a.features !== b.features) throw new Error(`cannot add ${a.features} features and ${b.features}`);
      return added({ op: 'add', id: nodes.length, features: a.features, a: node(a), b: node(b) });
    },
  };
}

/** The nodes that `roots` are computed from, themselves included, operands first. */
export function reachable(graph: Graph, roots: readonly GraphNode[]): readonly GraphNode[] {
  const wanted = new Set<GraphNode>(roots);
  for (const n of graph.nodes.toReversed()) if (wanted.has(n)) for (const x of inputsOf(n)) wanted.add(x);
  return graph.nodes.filter((n) => wanted.has(n));
}
