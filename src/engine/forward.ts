/** Kernels of the way forward: each node's value, with elementwise maps fused into the matrix product before them. */
import { balanced } from './balanced.ts';
import type { Memo } from './derivatives.ts';
import { isElementwise } from './derivatives.ts';
import type { Expr } from './expr.ts';
import { add, constant, div, gt, input, ne, select } from './expr.ts';
import type { AffineNode, ConcatNode, GraphNode, MapNode, PadNode, PoolNode } from './graph.ts';
import { nameOf } from './graph.ts';
import type { GemmKernel, Grid, Kernel, Source, Store, View, Windows } from './kernels.ts';
import type { Output } from './lower.ts';
import { lower } from './lower.ts';
import type { Network } from './network.ts';
import { ACC, formulaSources, full, gemmStores, rowsOf, storeTo } from './network.ts';
import { substitute } from './rewrite.ts';
import { inputNamesOf } from './search.ts';
import { tapSteps, windowView } from './windows.ts';

/** What the way back wants stored besides the values that are stored anyway. */
export interface Kept {
  readonly values: ReadonlySet<GraphNode>;
  memos(map: MapNode): readonly Memo[];
  /** The winning tap of each window of a maximum. */
  winners(pool: PoolNode): { readonly buffer: number; readonly view: View | null } | null;
}

export const KEEP_NOTHING: Kept = { values: new Set(), memos: () => [], winners: () => null };

/** The map that the matrix product of `n` can compute as it stores, if nobody else needs `n`. */
export function fusedMap(net: Network, n: AffineNode): MapNode | null {
  const [only, ...others] = net.consumers(n);
  if (n === net.output || only === undefined || others.length > 0) return null;
  if (only.op !== 'map' || !isElementwise(only)) return null;
  const own = net.nodes.indexOf(n);
  // The other things it is computed from must be there by then.
  return only.inputs.every((x) => net.nodes.indexOf(x) <= own) ? only : null;
}

export function emitForward(net: Network, kept: Kept): Kernel[] {
  const fused = new Set<GraphNode>();
  const emit = (n: GraphNode): readonly Kernel[] => {
    switch (n.op) {
      case 'data':
        return [
          {
            kind: 'gather',
            label: 'gather features',
            table: 'features',
            columns: n.features,
            ...(net.at.coded && { coded: true }),
            out: net.at.value(n),
          },
        ];
      case 'affine': {
        const map = fusedMap(net, n);
        if (map !== null) fused.add(map);
        return [emitProduct(net, n, map, kept)];
      }
      case 'map':
        return fused.has(n) ? [] : emitMap(net, n, kept);
      case 'pool':
        return emitPool(net, n, kept);
      case 'pad':
        return emitPad(net, n);
      case 'concat':
        return emitConcat(net, n);
      case 'flatten':
      case 'unflatten':
        return [emitReshape(net, n.op, n, n.x, false)];
      default:
        return n satisfies never;
    }
  };
  return net.nodes.flatMap(emit);
}

/** Windows of A for the product of a convolution; a plain product has none. */
export function windowsOf(n: AffineNode): Windows | null {
  if (n.windows === null || n.image === null || n.x.image === null) return null;
  const { width } = n.x.image;
  const taps = tapSteps(width, n.windows).map((rowStep, block) => ({ rowStep, block }));
  return { grid: n.image, view: windowView(width, n.windows), channels: n.x.features, taps };
}

function emitProduct(net: Network, n: AffineNode, map: MapNode | null, kept: Kept): GemmKernel {
  const { at } = net;
  const stores: Store[] = [];
  let sources: Record<string, Source> = {};
  if (map !== null) {
    const memos = kept.memos(map);
    const formulas = [map.formula, ...memos.map((m) => m.expr)];
    const names = new Set(formulas.flatMap((e) => [...inputNamesOf(e)]));
    sources = formulaSources(net, map, names);
    delete sources[nameOf(n)];
    const fromSum = (e: Expr): Expr => substitute(e, { [nameOf(n)]: ACC });
    stores.push({ expr: fromSum(map.formula), target: storeTo(at.value(map)) });
    for (const m of memos) stores.push({ expr: fromSum(m.expr), target: storeTo(at.memo(map, m)) });
  }
  if (map === null || kept.values.has(n)) stores.push({ expr: ACC, target: storeTo(at.value(n)) });
  const windows = windowsOf(n);
  return {
    kind: 'gemm',
    label: `${n.weight.name} forward`,
    m: rowsOf(n),
    n: n.features,
    k: n.x.features * (windows?.taps.length ?? 1),
    a: at.value(n.x),
    aTransposed: false,
    b: at.parameter(n.weight),
    bTransposed: false,
    init: n.bias === null ? null : at.parameter(n.bias),
    ...(windows !== null && { windows }),
    ...gemmStores(stores, sources),
  };
}

function emitMap(net: Network, n: MapNode, kept: Kept): Kernel[] {
  const { at } = net;
  const memos = kept.memos(n);
  const outputs: Output[] = [
    { expr: n.formula, target: storeTo(at.value(n)) },
    ...memos.map((m) => ({ expr: m.expr, target: storeTo(at.memo(n, m)) })),
    ...n.next.map(({ parameter, expr }) => ({ expr, target: storeTo(at.parameter(parameter)) })),
  ];
  const names = new Set(outputs.flatMap(({ expr }) => [...inputNamesOf(expr)]));
  const sources = formulaSources(net, n, names);
  return lower(
    { label: `formula ${n.id}`, rows: rowsOf(n), columns: n.features, sources, outputs },
    at.buffers,
  );
}

/** Each window's taps as inputs of one formula over the output's positions. */
function emitPool(net: Network, n: PoolNode, kept: Kept): Kernel[] {
  if (n.image === null || n.x.image === null) throw new Error('a pool is over images');
  const { at } = net;
  const view = windowView(n.x.image.width, n.windows);
  const steps = tapSteps(n.x.image.width, n.windows);
  const sources = Object.fromEntries(
    steps.map((step, i) => [
      `tap${i}`,
      {
        from: 'buffer',
        buffer: at.value(n.x),
        extent: 'full',
        view: { ...view, offset: view.offset + step },
      } as const,
    ]),
  );
  const taps = steps.map((_, i) => input(`tap${i}`));
  const outputs: Output[] = [];
  if (n.how === 'average') {
    const sum = balanced<Expr>(taps, add);
    outputs.push({ expr: div(sum, taps.length), target: storeTo(at.value(n)) });
  } else {
    const { best, winner } = largest(taps);
    outputs.push({ expr: best, target: storeTo(at.value(n)) });
    const place = kept.winners(n);
    if (place !== null) {
      const target = { to: 'buffer', buffer: place.buffer, ...(place.view && { view: place.view }) } as const;
      outputs.push({ expr: winner, target });
    }
  }
  return lower(
    { label: `pool ${n.id}`, rows: rowsOf(n), columns: n.features, grid: n.image, sources, outputs },
    at.buffers,
  );
}

interface Largest {
  readonly best: Expr;
  readonly winner: Expr;
}

/** The largest of some values and which it is, from 0: the first of equals; a NaN is larger than all before it. */
function largest(taps: readonly Expr[]): Largest {
  const each = taps.map((best, i): Largest => ({ best, winner: constant(i) }));
  return balanced(each, (left, right) => {
    const choose = (taken: Expr, other: Expr): Expr =>
      select(gt(right.best, left.best), taken, select(ne(right.best, right.best), taken, other));
    return { best: choose(right.best, left.best), winner: choose(right.winner, left.winner) };
  });
}

/** An image's rows inside a larger image, `before` rows down and columns in. */
export const shiftedView = (before: Grid, width: number): View => ({
  offset: before.height * width + before.width,
  yStride: width,
  xStride: 1,
});

function emitPad(net: Network, n: PadNode): Kernel[] {
  if (n.image === null || n.x.image === null) throw new Error('a border is around images');
  const view = shiftedView(n.size, n.image.width);
  const target = { to: 'buffer', buffer: net.at.value(n), view } as const;
  return lower(
    {
      label: `pad ${n.id}`,
      rows: rowsOf(n.x),
      columns: n.features,
      grid: n.x.image,
      sources: { x: full(net.at.value(n.x)) },
      outputs: [{ expr: input('x'), target }],
    },
    net.at.buffers,
  );
}

function emitConcat(net: Network, n: ConcatNode): Kernel[] {
  let column = 0;
  return n.inputs.map((x) => {
    const kernel: Kernel = {
      kind: 'move',
      label: `concat ${n.id}`,
      direction: 'flatten',
      rows: rowsOf(n),
      positions: 1,
      channels: x.features,
      image: net.at.value(x),
      imageColumn: 0,
      flat: net.at.value(n),
      flatColumn: column,
      accumulate: false,
    };
    column += x.features;
    return kernel;
  });
}

/** Moves the value of `from` to that of `to`; one of them is an image and the other its flat rows. */
export function emitReshape(
  net: Network,
  direction: 'flatten' | 'unflatten',
  to: GraphNode,
  from: GraphNode,
  accumulate: boolean,
  buffers: { readonly to: number; readonly from: number } = {
    to: net.at.value(to),
    from: net.at.value(from),
  },
): Kernel {
  const [image, imageNode, flat] =
    direction === 'flatten' ? [buffers.from, from, buffers.to] : [buffers.to, to, buffers.from];
  const { height = 1, width = 1 } = imageNode.image ?? {};
  return {
    kind: 'move',
    label: `${direction} ${to.id}`,
    direction,
    rows: 'batch',
    positions: height * width,
    channels: imageNode.features,
    image,
    imageColumn: 0,
    flat,
    flatColumn: 0,
    accumulate,
  };
}
