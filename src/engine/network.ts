/**
 * A network being compiled: where each node's value, each memo and each parameter lies. Buffers are placed on first use
 * and go by a node's id, so that training and inference share them.
 */
import type { BufferTable } from './buffers.ts';
import type { Derivatives, Memo } from './derivatives.ts';
import { createDerivatives } from './derivatives.ts';
import { extentOf, input } from './expr.ts';
import type { GraphNode, MapNode, Node, Parameter } from './graph.ts';
import { inputsOf, nameOf } from './graph.ts';
import type { BufferId, Dim, Kernel, Source, Store } from './kernels.ts';
import { bindingsOf } from './lower.ts';
import { expandCalls } from './math.ts';
import type { Net } from './modes.ts';
import { simplify } from './simplify.ts';

export interface Placement {
  readonly buffers: BufferTable;
  /** The features are a coded table. */
  readonly coded: boolean;
  /** The buffer of a node's value. */
  value(node: Node): BufferId;
  memo(node: Node, memo: Memo): BufferId;
  parameter(p: Parameter): BufferId;
  /** Scalars of the step, by the name under which formulas read them. */
  scalar(name: string): Source | null;
}

export interface Network extends Net {
  readonly at: Placement;
  readonly derivatives: Derivatives;
  consumers(node: GraphNode): readonly GraphNode[];
}

export const ACC = input('acc');
export const full = (buffer: BufferId): Source => ({ from: 'buffer', buffer, extent: 'full' });
export const storeTo = (buffer: BufferId): Store['target'] => ({ to: 'buffer', buffer });

/** Rows of a node's matrix. */
export function rowsOf({ image }: Node): Dim {
  const positions = image === null ? 1 : image.height * image.width;
  return positions === 1 ? 'batch' : { perSample: positions };
}

export function createPlacement(at: Omit<Placement, 'value' | 'memo'>): Placement {
  const { buffers } = at;
  const values = new Map<number, BufferId>();
  const memos = new Map<string, BufferId>();
  return {
    ...at,
    value: (n) => {
      // What a border is made of is there before anything is stored.
      const fill = 'op' in n && n.op === 'pad' && 'value' in n ? Number(n.value) : 0;
      const buffer =
        values.get(n.id) ?? buffers.matrix(`values.${n.id}`, rowsOf(n), n.features, 'work', fill);
      values.set(n.id, buffer);
      return buffer;
    },
    memo: (n, { name, expr }) => {
      const key = `memos.${n.id}.${name}`;
      const extent = extentOf(expr);
      const made = (): BufferId => {
        if (extent === 'full') return buffers.matrix(key, rowsOf(n), n.features);
        return buffers.vector(key, extent === 'row' ? rowsOf(n) : n.features);
      };
      const buffer = memos.get(key) ?? made();
      memos.set(key, buffer);
      return buffer;
    },
  };
}

export function createNetwork({ nodes, output }: Net, at: Placement): Network {
  const consumers = new Map<GraphNode, GraphNode[]>();
  for (const n of nodes) {
    for (const x of inputsOf(n)) consumers.set(x, [...(consumers.get(x) ?? []), n]);
  }
  return { nodes, output, at, derivatives: createDerivatives(), consumers: (n) => consumers.get(n) ?? [] };
}

/** Where the inputs of a map's formula come from. */
export function formulaSources(
  { at }: Network,
  map: MapNode,
  names: Iterable<string>,
): Record<string, Source> {
  const sources: Record<string, Source> = {};
  for (const x of map.inputs) sources[nameOf(x)] = full(at.value(x));
  for (const p of map.parameters) {
    sources[p.name] = { from: 'buffer', buffer: at.parameter(p), extent: 'col' };
  }
  for (const name of names) {
    const scalar = sources[name] === undefined ? at.scalar(name) : null;
    if (scalar !== null) sources[name] = scalar;
  }
  return sources;
}

export function memoSource({ at }: Network, n: GraphNode, memo: Memo): Source {
  const extent = extentOf(memo.expr);
  return { from: 'buffer', buffer: at.memo(n, memo), extent };
}

/** `acc` has no source: the kernel itself supplies it. */
export function gemmStores(
  stores: readonly Store[],
  sources: Readonly<Record<string, Source>>,
): Pick<Extract<Kernel, { kind: 'gemm' }>, 'stores' | 'bindings'> {
  const expanded = stores.map((s) => ({ ...s, expr: expandCalls(simplify(s.expr)) }));
  const known = new Map([...Object.entries(sources), ['acc', full(-1)] as const]);
  return { stores: expanded, bindings: bindingsOf(expanded, known).filter((b) => b.name !== 'acc') };
}
