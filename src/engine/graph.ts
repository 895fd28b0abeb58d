/**
 * The tensor graph of a network: what layers build, before any kernel exists. A node is a matrix with one row per
 * sample, or, for images, one row per position (row-major over height × width) and one column per channel. Any directed
 * acyclic graph can be written; a node is made from nodes that exist already, so creation order is topological.
 */
import type { Expr } from './expr.ts';
import { add, input } from './expr.ts';
import type { Grid } from './kernels.ts';
import { substitute } from './rewrite.ts';
import type { WindowShape } from './windows.ts';
import { windowPositions } from './windows.ts';

export interface Node {
  readonly id: number;
  /** Columns: features, or channels of an image. */
  readonly features: number;
  /** Null for flat rows. */
  readonly image: Grid | null;
}

export interface ParameterRef {
  readonly name: string;
}

export interface ParameterSpec {
  /** [n] for values per column, [outputs, inputs] for a product, [outputs, channels, height, width] for windows. */
  readonly shape: readonly number[];
  readonly fanIn: number;
  readonly fanOut: number;
  readonly initializer: { readonly kind: string; readonly [field: string]: unknown };
  /** What regularisation goes by. A `statistic` is no trained number: the training step writes it by a formula. */
  readonly role: 'weight' | 'bias' | 'scale' | 'statistic';
}

/** One formula of several nodes; see GraphBuilder.combine. */
export interface Combination {
  /** Nodes of one shape, by the name under which formulas read them at full size. */
  readonly inputs: Readonly<Record<string, Node>>;
  /** One value per column each, likewise. */
  readonly parameters?: Readonly<Record<string, ParameterRef>>;
  readonly training: Expr;
  /** Without it, as in training. It must not reduce. */
  readonly inference?: Expr;
  /** dy/dx written in `y`, for a formula of one input, elementwise, that stands in no need of x on the way back. */
  readonly derivativeFromOutput?: Expr;
  /** The statistics among the parameters and what the training step makes of them. */
  readonly next?: Readonly<Record<string, Expr>>;
  /** Parts of the training formula that the way back reads from memory instead of computing them again. */
  readonly kept?: readonly Expr[];
  /** Streams of random numbers that the training formula draws from; see lane-random.ts. */
  readonly random?: readonly string[];
}

export interface GraphBuilder {
  parameter(name: string, p: ParameterSpec): ParameterRef;
  /** x·Wᵀ + b for a weight of shape [units, inputs] and a bias of shape [units]. */
  affine(x: Node, weight: ParameterRef, bias: ParameterRef | null): Node;
  /** Cross-correlation with a weight of shape [channels out, channels in, height, width]; x is padded already. */
  convolve(x: Node, weight: ParameterRef, bias: ParameterRef | null, windows: WindowShape): Node;
  /** The largest value or the mean of each window, channel by channel; the first of equals is the largest. */
  pool(x: Node, how: 'max' | 'average', windows: WindowShape): Node;
  /** A border around an image, `size` rows and columns on each side, of the given value. */
  pad(x: Node, size: Grid, value: number): Node;
  /**
   * Applies a formula to a node; it may reduce along rows or columns. `derivativeFromOutput` is dy/dx written in y,
   * for elementwise formulas: then x need not be kept for the way back.
   */
  map(x: Node, formula: (x: Expr) => Expr, derivativeFromOutput?: (y: Expr) => Expr): Node;
  combine(at: Combination): Node;
  /** a + b, element by element: where paths join again. */
  add(a: Node, b: Node): Node;
  /** Side by side: the columns of the first, then of the second, … */
  concat(nodes: readonly Node[]): Node;
  /** An image as flat rows, channel by channel as in PyTorch: feature (c·height + y)·width + x; and back. */
  flatten(x: Node): Node;
  unflatten(x: Node, image: Grid): Node;
}

export interface DataNode extends Node {
  readonly op: 'data';
}
export interface AffineNode extends Node {
  readonly op: 'affine';
  readonly x: GraphNode;
  readonly weight: Parameter;
  readonly bias: Parameter | null;
  /** Of a convolution. */
  readonly windows: WindowShape | null;
}
/** Formulas are over inputs named by `nameOf` their nodes and, per column, by their parameters' names. */
export interface MapNode extends Node {
  readonly op: 'map';
  readonly inputs: readonly GraphNode[];
  readonly parameters: readonly Parameter[];
  /** In training; see modes.ts for the other one. */
  readonly formula: Expr;
  readonly inference: Expr;
  /** Over the input `y`, or null. */
  readonly derivativeFromOutput: Expr | null;
  readonly next: readonly { readonly parameter: Parameter; readonly expr: Expr }[];
  readonly kept: readonly Expr[];
  readonly random: readonly string[];
}
export interface PoolNode extends Node {
  readonly op: 'pool';
  readonly x: GraphNode;
  readonly how: 'max' | 'average';
  readonly windows: WindowShape;
}
export interface PadNode extends Node {
  readonly op: 'pad';
  readonly x: GraphNode;
  readonly size: Grid;
  readonly value: number;
}
export interface ConcatNode extends Node {
  readonly op: 'concat';
  readonly inputs: readonly GraphNode[];
}
export interface ReshapeNode extends Node {
  readonly op: 'flatten' | 'unflatten';
  readonly x: GraphNode;
}
export type GraphNode = DataNode | AffineNode | MapNode | PoolNode | PadNode | ConcatNode | ReshapeNode;
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
  return n.op === 'map' || n.op === 'concat' ? n.inputs : [n.x];
}

/** The name under which map formulas read a node. */
export const nameOf = (n: Node): string => `n${n.id}`;

const X = input('x');
const Y = input('y');
const sameImage = (a: Node, b: Node): boolean =>
  a.image?.height === b.image?.height && a.image?.width === b.image?.width;
const imageOf = (x: Node): Grid => {
  if (x.image === null) throw new Error('flat rows have no positions');
  return x.image;
};

/** An empty graph over `features` columns of data. Builder methods throw on shapes that do not fit. */
export function createGraph(features: number): Graph {
  const data: DataNode = { op: 'data', id: 0, features, image: null };
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
  const vector = (ref: ParameterRef, length: number): Parameter => {
    const p = parameter(ref);
    if (p.shape.length !== 1 || p.shape[0] !== length)
      throw new Error(`${p.name}: must have shape [${length}]`);
    return p;
  };
  const product = (
    x: Node,
    weight: ParameterRef,
    bias: ParameterRef | null,
    windows: WindowShape | null,
  ): AffineNode => {
    const w = parameter(weight);
    const [units = 0, inputs] = w.shape;
    if (inputs !== x.features) throw new Error(`${w.name}: takes ${inputs} inputs, not ${x.features}`);
    return added({
      op: 'affine',
      id: nodes.length,
      features: units,
      image: windows === null ? null : windowPositions(imageOf(x), windows),
      x: node(x),
      weight: w,
      bias: bias === null ? null : vector(bias, units),
      windows,
    });
  };
  const combine = (at: Combination): MapNode => {
    const { inputs, parameters: own = {}, training, inference = training, derivativeFromOutput, kept } = at;
    const [first, ...others] = Object.values(inputs);
    if (first === undefined) throw new Error('a formula needs an input');
    for (const other of others) {
      if (other.features !== first.features || !sameImage(other, first)) {
        throw new Error(`cannot combine ${first.features} columns with ${other.features} of another shape`);
      }
    }
    const names: Record<string, Expr> = {};
    for (const [name, x] of Object.entries(inputs)) names[name] = input(nameOf(x));
    for (const [name, p] of Object.entries(own)) names[name] = input(vector(p, first.features).name, 'col');
    const named = (e: Expr): Expr => substitute(e, names);
    return added({
      op: 'map',
      id: nodes.length,
      features: first.features,
      image: first.image,
      inputs: [...new Set(Object.values(inputs).map(node))],
      parameters: Object.values(own).map(parameter),
      formula: named(training),
      inference: named(inference),
      derivativeFromOutput: derivativeFromOutput ?? null,
      next: Object.entries(at.next ?? {}).map(([name, expr]) => {
        const ref = own[name];
        if (ref === undefined) throw new Error(`no statistic ${name}`);
        return { parameter: parameter(ref), expr: named(expr) };
      }),
      kept: kept?.map(named) ?? [],
      random: at.random ?? [],
    });
  };

  return {
    data,
    nodes,
    parameters,
    node,
    parameter(name, p) {
      if (parameters.some((other) => other.name === name))
        throw new Error(`two parameters are named ${name}`);
      if (![1, 2, 4].includes(p.shape.length))
        throw new Error(`${name}: a parameter has 1, 2 or 4 dimensions`);
      const made = { name, ...p };
      parameters.push(made);
      return made;
    },
    affine(x, weight, bias) {
      if (x.image !== null) throw new Error(`${weight.name}: takes flat rows`);
      return product(x, weight, bias, null);
    },
    convolve: product,
    pool(x, how, windows) {
      const image = windowPositions(imageOf(x), windows);
      return added({ op: 'pool', id: nodes.length, features: x.features, image, x: node(x), how, windows });
    },
    pad(x, size, value) {
      const { height, width } = imageOf(x);
      if (size.height === 0 && size.width === 0) return x;
      const image = { height: height + 2 * size.height, width: width + 2 * size.width };
      return added({ op: 'pad', id: nodes.length, features: x.features, image, x: node(x), size, value });
    },
    map(x, formula, derivativeFromOutput) {
      const training = formula(X);
      if (training === X) return x;
      const derivative = derivativeFromOutput?.(Y);
      return combine({
        inputs: { x },
        training,
        ...(derivative !== undefined && { derivativeFromOutput: derivative }),
      });
    },
    combine,
    add: (a, b) => combine({ inputs: { a, b }, training: add(input('a'), input('b')) }),
    concat(list) {
      const [first, ...others] = list;
      if (first === undefined) throw new Error('nothing to concatenate');
      if (!others.every((other) => sameImage(other, first))) throw new Error('images of different sizes');
      if (others.length === 0) return first;
      const columns = list.reduce((sum, n) => sum + n.features, 0);
      return added({
        op: 'concat',
        id: nodes.length,
        features: columns,
        image: first.image,
        inputs: list.map(node),
      });
    },
    flatten(x) {
      const { height, width } = imageOf(x);
      const flat = x.features * height * width;
      return added({ op: 'flatten', id: nodes.length, features: flat, image: null, x: node(x) });
    },
    unflatten(x, image) {
      const channels = x.features / (image.height * image.width);
      if (x.image !== null || !Number.isInteger(channels)) throw new Error('the rows do not fill the image');
      return added({ op: 'unflatten', id: nodes.length, features: channels, image, x: node(x) });
    },
  };
}

/** The nodes that `roots` are computed from, themselves included, operands first. */
export function reachable(graph: Graph, roots: readonly GraphNode[]): readonly GraphNode[] {
  const wanted = new Set<GraphNode>(roots);
  for (const n of graph.nodes.toReversed()) if (wanted.has(n)) for (const x of inputsOf(n)) wanted.add(x);
  return graph.nodes.filter((n) => wanted.has(n));
}
