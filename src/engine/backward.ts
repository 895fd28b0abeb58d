/**
 * Kernels of the way back: reverse topological order, cotangents added up where a node has several consumers. The
 * optimiser's update runs in the tail of the kernel that computes the gradient, after everything that reads the old
 * weights; a parameter used more than once collects its gradient first.
 */

import { vjp } from './derive.ts';
import type { Expr } from './expr.ts';
import { add, colSum, input, mul, operands } from './expr.ts';
import type { Network } from './forward.ts';
import { ACC, full, gemmStores, storeTo } from './forward.ts';
import type { AffineNode, GraphNode, MapNode, Parameter } from './graph.ts';
import { inputsOf } from './graph.ts';
import type { BufferId, Kernel, Source } from './kernels.ts';
import type { Output } from './lower.ts';
import { lower } from './lower.ts';
import { substitute } from './rewrite.ts';
import { simplify } from './simplify.ts';

/** How a parameter becomes its next value: stores over the parameter's extent, and where their inputs come from. */
export interface Update {
  outputs(p: Parameter, gradient: Expr): readonly Output[];
  sources(p: Parameter): Readonly<Record<string, Source>>;
}

const G = input('g');
const PREVIOUS = input('previous');

/** dL/dx of a map in `g` (dL/dy) and, as needed, `x` and `y`. */
export function mapCotangent(map: MapNode): Expr {
  if (map.derivativeFromOutput !== null) return simplify(mul(G, map.derivativeFromOutput));
  return vjp(map.formula, 'x', G);
}

function reads(e: Expr, found: (node: Expr) => boolean, seen = new Set<Expr>()): boolean {
  if (seen.has(e)) return false;
  seen.add(e);
  return found(e) || operands(e).some((o) => reads(o, found, seen));
}

const readsX = (e: Expr): boolean => reads(e, (node) => node.op === 'input' && node.name === 'x');
const needsGradient = (n: GraphNode): boolean => n.op === 'affine' || inputsOf(n).some(needsGradient);

/** Nodes whose value the way back reads although a fused kernel would not store it. */
export function keptNodes(net: Network): ReadonlySet<GraphNode> {
  const maps = net.nodes.filter((n) => n.op === 'map').filter((n) => needsGradient(n.x));
  return new Set(maps.filter((n) => readsX(mapCotangent(n))).map((n) => n.x));
}

/** `cotangent` holds dL/d(output) for the network's output. */
export function emitBackward(net: Network, cotangent: BufferId, update: Update): Kernel[] {
  const kernels: Kernel[] = [];
  const cotangents = new Map<GraphNode, BufferId>([[net.output, cotangent]]);
  const uses = parameterUses(net);
  const collected = new Map<Parameter, BufferId>();

  /** Where to store one more contribution: the expression, joined with what is there already, and its source. */
  const contribution = (n: GraphNode, e: Expr) => {
    const before = cotangents.get(n);
    const buffer = before ?? net.buffers.matrix(`cotangents.${n.id}`, 'batch', n.features);
    cotangents.set(n, buffer);
    const sources: Record<string, Source> = before === undefined ? {} : { previous: full(buffer) };
    return { expr: before === undefined ? e : add(PREVIOUS, e), target: storeTo(buffer), sources };
  };
  const mapSources = (map: MapNode) => ({ x: full(net.value(map.x)), y: full(net.value(map)) });

  const toInput = (n: AffineNode, dy: BufferId): void => {
    const { x } = n;
    if (!needsGradient(x)) return;
    // The derivative of an elementwise map is applied as the product is stored.
    const through = x.op === 'map' && x.elementwise && net.consumers(x).length === 1 ? x : null;
    const e = through === null ? ACC : substitute(mapCotangent(through), { g: ACC });
    const { expr, target, sources } = contribution(through?.x ?? x, e);
    kernels.push({
      kind: 'gemm',
      label: `${n.weight.name} backward`,
      m: 'batch',
      n: x.features,
      k: n.features,
      a: dy,
      aTransposed: false,
      b: net.parameter(n.weight),
      bTransposed: true,
      init: null,
      ...gemmStores([{ expr, target }], { ...sources, ...(through === null ? {} : mapSources(through)) }),
    });
  };

  /** Stores the gradient, or adds it to what earlier uses of the parameter left. */
  const collect = (p: Parameter, gradient: Expr): { output: Output; sources: Record<string, Source> } => {
    const shape = net.buffers.shape(net.parameter(p));
    const extent = shape.kind === 'matrix' ? 'full' : 'col';
    const before = collected.get(p);
    const name = `gradients.${p.name}`;
    const buffer =
      before ??
      (extent === 'full'
        ? net.buffers.matrix(name, shape.rows, typeof shape.columns === 'number' ? shape.columns : 0)
        : net.buffers.vector(name, shape.columns));
    collected.set(p, buffer);
    const sources: Record<string, Source> =
      before === undefined ? {} : { previous: { from: 'buffer', buffer, extent } };
    const expr = before === undefined ? gradient : add(input('previous', extent), gradient);
    return { output: { expr, target: storeTo(buffer) }, sources };
  };

  const toWeight = (n: AffineNode, dy: BufferId): void => {
    const updates = update.outputs(n.weight, ACC);
    const reduces = updates.some((o) => reads(o.expr, (node) => node.op === 'reduce'));
    const fused = uses.get(n.weight) === 1 && !reduces;
    const gathered = fused ? null : collect(n.weight, ACC);
    kernels.push({
      kind: 'gemm',
      label: `${n.weight.name} gradient`,
      m: n.x.features,
      n: n.features,
      k: 'batch',
      a: net.value(n.x),
      aTransposed: true,
      b: dy,
      bTransposed: false,
      init: null,
      ...(gathered === null
        ? gemmStores(updates, update.sources(n.weight))
        : gemmStores([gathered.output], gathered.sources)),
    });
  };

  const toBias = (bias: Parameter, n: AffineNode, dy: BufferId): void => {
    const gradient = colSum(input('dy'));
    const once = uses.get(bias) === 1;
    const gathered = once ? null : collect(bias, gradient);
    kernels.push(
      ...lower(
        {
          label: `${bias.name} gradient`,
          rows: 'batch',
          columns: n.features,
          sources: { dy: full(dy), ...(gathered === null ? update.sources(bias) : gathered.sources) },
          outputs: gathered === null ? update.outputs(bias, gradient) : [gathered.output],
        },
        net.buffers,
      ),
    );
  };

  /** Passes the cotangent on through an elementwise or row-wise expression of it. */
  const toOperand = (
    n: GraphNode,
    x: GraphNode,
    dy: BufferId,
    e: Expr,
    read: Record<string, Source>,
  ): void => {
    if (!needsGradient(x)) return;
    const { expr, target, sources } = contribution(x, e);
    kernels.push(
      ...lower(
        {
          label: `${n.op} ${n.id} backward`,
          rows: 'batch',
          columns: n.features,
          sources: { ...read, ...sources, g: full(dy) },
          outputs: [{ expr, target }],
        },
        net.buffers,
      ),
    );
  };

  for (const n of net.nodes.toReversed()) {
    const dy = cotangents.get(n);
    if (dy === undefined) continue;
    if (n.op === 'map') toOperand(n, n.x, dy, mapCotangent(n), mapSources(n));
    if (n.op === 'add') for (const x of inputsOf(n)) toOperand(n, x, dy, G, {});
    if (n.op !== 'affine') continue;
    // The product with the old weights comes before their update.
    toInput(n, dy);
    toWeight(n, dy);
    if (n.bias !== null) toBias(n.bias, n, dy);
  }
  for (const [p, buffer] of collected) kernels.push(...updateKernels(net, p, buffer, update));
  return kernels;
}

function parameterUses(net: Network): ReadonlyMap<Parameter, number> {
  const uses = new Map<Parameter, number>();
  for (const n of net.nodes) {
    if (n.op !== 'affine') continue;
    for (const p of n.bias === null ? [n.weight] : [n.weight, n.bias]) uses.set(p, (uses.get(p) ?? 0) + 1);
  }
  return uses;
}

function updateKernels(net: Network, p: Parameter, gradient: BufferId, update: Update): Kernel[] {
  const shape = net.buffers.shape(net.parameter(p));
  const extent = shape.kind === 'matrix' ? 'full' : 'col';
  return lower(
    {
      label: `${p.name} update`,
      rows: shape.rows,
      columns: shape.columns,
      sources: { ...update.sources(p), gradient: { from: 'buffer', buffer: gradient, extent } },
      outputs: update.outputs(p, input('gradient', extent)),
    },
    net.buffers,
  );
}
