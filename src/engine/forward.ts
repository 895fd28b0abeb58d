/** Kernels of the way forward: each node's value, with elementwise maps fused into the matrix product before them. */
import type { BufferTable } from './buffers.ts';
import type { Expr } from './expr.ts';
import { add, input } from './expr.ts';
import type { AffineNode, GraphNode, MapNode, Parameter } from './graph.ts';
import { inputsOf } from './graph.ts';
import type { BufferId, Kernel, Source, Store } from './kernels.ts';
import type { Lowering } from './lower.ts';
import { bindingsOf, lower } from './lower.ts';
import { expandCalls } from './math.ts';
import { substitute } from './rewrite.ts';
import { simplify } from './simplify.ts';

export interface Network {
  readonly buffers: BufferTable;
  /** The nodes that the output needs, in topological order. */
  readonly nodes: readonly GraphNode[];
  /** The last node, before the loss's link. */
  readonly output: GraphNode;
  /** The buffer of a node's value; placed on first use, the same in all programs. */
  value(node: GraphNode): BufferId;
  parameter(p: Parameter): BufferId;
  consumers(node: GraphNode): readonly GraphNode[];
}

export const ACC = input('acc');
export const full = (buffer: BufferId): Source => ({ from: 'buffer', buffer, extent: 'full' });
export const storeTo = (buffer: BufferId): Store['target'] => ({ to: 'buffer', buffer });

/** `acc` has no source: the kernel itself supplies it. */
export function gemmStores(
  stores: readonly Store[],
  sources: Readonly<Record<string, Source>>,
): Pick<Extract<Kernel, { kind: 'gemm' }>, 'stores' | 'bindings'> {
  const expanded = stores.map((s) => ({ ...s, expr: expandCalls(simplify(s.expr)) }));
  const known = new Map([...Object.entries(sources), ['acc', full(-1)] as const]);
  return { stores: expanded, bindings: bindingsOf(expanded, known).filter((b) => b.name !== 'acc') };
}

export function createNetwork(
  at: Omit<Network, 'value' | 'consumers'> & { readonly nodes: readonly GraphNode[] },
): Network {
  const values = new Map<GraphNode, BufferId>();
  const consumers = new Map<GraphNode, GraphNode[]>();
  for (const n of at.nodes) {
    for (const x of inputsOf(n)) consumers.set(x, [...(consumers.get(x) ?? []), n]);
  }
  return {
    ...at,
    consumers: (n) => consumers.get(n) ?? [],
    value: (n) => {
      const buffer = values.get(n) ?? at.buffers.matrix(`values.${n.id}`, 'batch', n.features);
      values.set(n, buffer);
      return buffer;
    },
  };
}

/** The elementwise map that the matrix product of `n` can compute as it stores, if nobody else needs `n`. */
export function fusedMap(net: Network, n: AffineNode): MapNode | null {
  const [only, ...others] = net.consumers(n);
  if (n === net.output || only === undefined || others.length > 0) return null;
  return only.op === 'map' && only.elementwise ? only : null;
}

/** `kept`: nodes whose value the way back reads, so that it is stored even where fusion would skip it. */
export function emitForward(net: Network, kept: ReadonlySet<GraphNode>): Kernel[] {
  const kernels: Kernel[] = [];
  const fused = new Set<GraphNode>();
  for (const n of net.nodes) {
    if (n.op === 'data') {
      kernels.push({
        kind: 'gather',
        label: 'gather features',
        table: 'features',
        columns: n.features,
        out: net.value(n),
      });
    } else if (n.op === 'affine') {
      const map = fusedMap(net, n);
      const stores: Store[] = [];
      if (map !== null) {
        fused.add(map);
        stores.push({ expr: mapFormula(map), target: storeTo(net.value(map)) });
      }
      if (map === null || kept.has(n)) stores.push({ expr: ACC, target: storeTo(net.value(n)) });
      kernels.push({
        kind: 'gemm',
        label: `${n.weight.name} forward`,
        m: 'batch',
        n: n.features,
        k: n.x.features,
        a: net.value(n.x),
        aTransposed: false,
        b: net.parameter(n.weight),
        bTransposed: false,
        init: n.bias === null ? null : net.parameter(n.bias),
        ...gemmStores(stores, {}),
      });
    } else if (n.op === 'add') {
      const sources = { a: full(net.value(n.a)), b: full(net.value(n.b)) };
      kernels.push(...emitElements(net, n, sources, add(input('a'), input('b'))));
    } else if (!fused.has(n)) {
      kernels.push(...emitElements(net, n, { x: full(net.value(n.x)) }, n.formula));
    }
  }
  return kernels;
}

function emitElements(net: Network, n: GraphNode, sources: Lowering['sources'], expr: Expr): Kernel[] {
  const outputs = [{ expr, target: storeTo(net.value(n)) }];
  return lower(
    { label: `${n.op} ${n.id}`, rows: 'batch', columns: n.features, sources, outputs },
    net.buffers,
  );
}

const mapFormula = (map: MapNode) => substitute(map.formula, { x: ACC });
