/**
 * Kernels of the way back: reverse topological order, cotangents added up where a node has several consumers. First
 * come all cotangents, then all parameters: what is read of the old weights is read by then, and threads meet twice a
 * step. The optimiser's update runs in the tail of the kernel that computes the gradient, unless the gradient is
 * collected first: of a parameter used more than once, or where all gradients are looked at together.
 */
import { balanced } from './balanced.ts';
import { G, isElementwise, isTrained } from './derivatives.ts';
import type { Expr } from './expr.ts';
import { add, constant, div, eq, input, select } from './expr.ts';
import type { Kept } from './forward.ts';
import { emitReshape, shiftedView } from './forward.ts';
import type { Update } from './gradients.ts';
import { createGradients } from './gradients.ts';
import type { AffineNode, GraphNode, MapNode, PadNode, PoolNode } from './graph.ts';
import type { BufferId, GemmKernel, Kernel, Source, Store, View } from './kernels.ts';
import type { Lowering, Output } from './lower.ts';
import { lower } from './lower.ts';
import type { Network } from './network.ts';
import { ACC, formulaSources, full, gemmStores, memoSource, rowsOf } from './network.ts';
import { substitute } from './rewrite.ts';
import { inputNamesOf } from './search.ts';
import type { Bordered } from './windows.ts';
import { backwardPhases, insideView, isBordered } from './windows.ts';

const PREVIOUS = input('previous');

/** The map whose derivative is applied as the cotangent of its value is stored. */
function throughMap(net: Network, x: GraphNode): MapNode | null {
  if (x.op !== 'map' || !isElementwise(x) || net.consumers(x).length !== 1) return null;
  return x.inputs.length === 1 && !x.parameters.some(isTrained) ? x : null;
}

/** What of the way forward the way back reads. */
export function keptForBackward(net: Network): Kept {
  const { derivatives } = net;
  const differentiated = net.nodes.filter((n) => n.op === 'map').filter(derivatives.needsGradient);
  const winners = new Map<PoolNode, { buffer: BufferId; view: View | null }>();
  for (const n of net.nodes) {
    if (n.op !== 'pool' || n.how !== 'max' || !derivatives.needsGradient(n.x)) continue;
    const { bordered, around } = windowsBack(n);
    const buffer = borderedMatrix(net, n, bordered, `winners.${n.id}`, -1);
    winners.set(n, { buffer, view: around });
  }
  return {
    values: new Set(differentiated.flatMap((n) => [...derivatives.of(n).reads])),
    memos: (n) => (derivatives.needsGradient(n) ? derivatives.of(n).memos : []),
    winners: (n) => winners.get(n) ?? null,
  };
}

/** The phases of a window node's input, and how its own positions lie in their border, if there is one. */
function windowsBack(n: AffineNode | PoolNode) {
  const { image, windows, x } = n;
  if (image === null || windows === null || x.image === null) throw new Error('windows are over images');
  const { bordered, phases } = backwardPhases(x.image, image, windows);
  return { image, bordered, phases, around: isBordered(bordered, image) ? insideView(bordered) : null };
}

const borderedMatrix = (
  net: Network,
  n: GraphNode,
  { size }: Bordered,
  name: string,
  fill: number,
): BufferId => net.at.buffers.matrix(name, rowsOf({ ...n, image: size }), n.features, 'work', fill);

/** `cotangent` holds dL/d(output) for the network's output; `kept` is what the way forward has stored for this. */
export function emitBackward(net: Network, cotangent: BufferId, update: Update, kept: Kept): Kernel[] {
  const { at, derivatives } = net;
  const { needsGradient } = derivatives;
  const kernels: Kernel[] = [];
  const cotangents = new Map<GraphNode, BufferId>([[net.output, cotangent]]);
  const parameters = createGradients(net, update);

  const cotangentOf = (n: GraphNode): BufferId => {
    const buffer = cotangents.get(n) ?? at.buffers.matrix(`cotangents.${n.id}`, rowsOf(n), n.features);
    cotangents.set(n, buffer);
    return buffer;
  };
  /** Where to store one more contribution: the expression, joined with what is there already, and its source. */
  const contribution = (n: GraphNode, before: boolean, e: Expr, view?: View) => {
    const buffer = cotangentOf(n);
    const seen = view === undefined ? {} : { view };
    const sources: Record<string, Source> = before
      ? { previous: { ...full(buffer), ...seen } as Source }
      : {};
    const target: Store['target'] = { to: 'buffer', buffer, ...seen };
    return { expr: before ? add(PREVIOUS, e) : e, target, sources };
  };
  const lowered = (n: GraphNode, lowering: Omit<Lowering, 'label' | 'columns'>): void => {
    kernels.push(
      ...lower({ label: `${n.op} ${n.id} backward`, columns: n.features, ...lowering }, at.buffers),
    );
  };

  /** Everything that a map's derivative reads besides `g`. */
  const mapSources = (map: MapNode, e: Expr): Record<string, Source> => {
    const names = inputNamesOf(e);
    const { memos, readsOutput } = derivatives.of(map);
    const sources = formulaSources(net, map, names);
    for (const m of memos) sources[m.name] = memoSource(net, map, m);
    if (readsOutput) sources.y = full(at.value(map));
    return Object.fromEntries(Object.entries(sources).filter(([name]) => names.has(name)));
  };
  const seenThrough = (sources: Record<string, Source>, view: View | undefined): Record<string, Source> =>
    view === undefined
      ? sources
      : Object.fromEntries(
          Object.entries(sources).map(([name, s]) => [
            name,
            s.from === 'buffer' && s.extent === 'full' ? { ...s, view } : s,
          ]),
        );

  /** Where a cotangent of x goes, and as what: a map that nobody else reads is passed on the way. */
  const beyond = (x: GraphNode): { sink: GraphNode; through: MapNode | null; e: Expr } => {
    const through = throughMap(net, x);
    const sink = through?.inputs[0] ?? x;
    return { sink, through, e: through === null ? G : (derivatives.of(through).toInputs.get(sink) ?? G) };
  };

  /** A copy of some rows of a window node inside a border of zeros, or the buffer itself where none is needed. */
  const surrounded = (n: AffineNode | PoolNode, dy: BufferId): BufferId => {
    const { image, bordered, around } = windowsBack(n);
    if (around === null) return dy;
    const buffer = borderedMatrix(net, n, bordered, `cotangents.${n.id}.bordered`, 0);
    const target: Store['target'] = { to: 'buffer', buffer, view: around };
    lowered(n, { rows: rowsOf(n), grid: image, sources: { g: full(dy) }, outputs: [{ expr: G, target }] });
    return buffer;
  };

  const productBack = (n: AffineNode, dy: BufferId): void => {
    const { x } = n;
    if (!needsGradient(x)) return;
    const { sink, through, e } = beyond(x);
    const before = cotangents.has(sink);
    const gemm = (own: Partial<GemmKernel>, a: BufferId, view?: View): void => {
      const { expr, target, sources } = contribution(sink, before, substitute(e, { g: ACC }), view);
      const read = through === null ? {} : seenThrough(mapSources(through, e), view);
      kernels.push({
        kind: 'gemm',
        label: `${n.weight.name} backward`,
        m: 'batch',
        n: x.features,
        k: n.features,
        a,
        aTransposed: false,
        b: at.parameter(n.weight),
        bTransposed: true,
        init: null,
        ...gemmStores([{ expr, target }], { ...sources, ...read }),
        ...own,
      });
    };
    if (n.windows === null) {
      gemm({}, dy);
      return;
    }
    const { phases } = windowsBack(n);
    const a = surrounded(n, dy);
    for (const { grid, view, windows, taps } of phases) {
      const own = {
        m: rowsOf({ ...x, image: grid }),
        k: n.features * taps.length,
        windows: {
          grid,
          view: windows,
          channels: n.features,
          taps: taps.map(({ rowStep, tap }) => ({ rowStep, block: tap })),
        },
      };
      gemm(own, a, view);
    }
  };

  const mapBack = (n: MapNode, dy: BufferId): void => {
    const { toInputs, toParameters } = derivatives.of(n);
    const outputs: Output[] = [];
    let sources: Record<string, Source> = { g: full(dy) };
    for (const [x, e] of toInputs) {
      const c = contribution(x, cotangents.has(x), e);
      const previous = `previous${x.id}`;
      outputs.push({ expr: substitute(c.expr, { previous: input(previous) }), target: c.target });
      if (c.sources.previous !== undefined) sources[previous] = c.sources.previous;
      sources = { ...sources, ...mapSources(n, e) };
    }
    for (const [p, e] of toParameters) {
      const collected = parameters.collect(p, e);
      outputs.push(collected.output);
      sources = { ...sources, ...collected.sources, ...mapSources(n, e) };
    }
    if (outputs.length > 0) lowered(n, { rows: rowsOf(n), sources, outputs });
  };

  const poolBack = (n: PoolNode, dy: BufferId): void => {
    const { x } = n;
    if (!needsGradient(x)) return;
    const { sink, through, e } = beyond(x);
    const { phases } = windowsBack(n);
    const winners = kept.winners(n);
    const share = surrounded(n, dy);
    const count = n.windows.kernel.height * n.windows.kernel.width;
    const before = cotangents.has(sink);
    for (const { grid, view, windows, taps } of phases) {
      const sources: Record<string, Source> = {};
      const parts = taps.map(({ rowStep, tap }, i): Expr => {
        const at = { ...windows, offset: windows.offset + rowStep };
        sources[`g${i}`] = { from: 'buffer', buffer: share, extent: 'full', view: at };
        if (winners === null) return input(`g${i}`);
        sources[`winner${i}`] = { from: 'buffer', buffer: winners.buffer, extent: 'full', view: at };
        return select(eq(input(`winner${i}`), tap), input(`g${i}`), 0);
      });
      const sum = parts.length === 0 ? constant(0) : balanced(parts, add);
      const own = winners === null ? div(sum, count) : sum;
      const c = contribution(sink, before, substitute(e, { g: own }), view);
      const read = through === null ? {} : seenThrough(mapSources(through, e), view);
      lowered(n, {
        rows: rowsOf({ ...n, image: grid }),
        grid,
        sources: { ...sources, ...read, ...c.sources },
        outputs: [{ expr: c.expr, target: c.target }],
      });
    }
  };

  const padBack = (n: PadNode, dy: BufferId): void => {
    if (!needsGradient(n.x) || n.image === null || n.x.image === null) return;
    const c = contribution(n.x, cotangents.has(n.x), G);
    const view = shiftedView(n.size, n.image.width);
    lowered(n, {
      rows: rowsOf(n.x),
      grid: n.x.image,
      sources: { ...c.sources, g: { from: 'buffer', buffer: dy, extent: 'full', view } },
      outputs: [{ expr: c.expr, target: c.target }],
    });
  };

  for (const n of net.nodes.toReversed()) {
    const dy = cotangents.get(n);
    if (dy === undefined) continue;
    switch (n.op) {
      case 'data':
        break;
      case 'affine':
        productBack(n, dy);
        parameters.ofProduct(n, dy);
        break;
      case 'map':
        mapBack(n, dy);
        break;
      case 'pool':
        poolBack(n, dy);
        break;
      case 'pad':
        padBack(n, dy);
        break;
      case 'concat': {
        let column = 0;
        for (const x of n.inputs) {
          if (needsGradient(x)) {
            const accumulate = cotangents.has(x);
            kernels.push({
              kind: 'move',
              label: `concat ${n.id} backward`,
              direction: 'unflatten',
              rows: rowsOf(n),
              positions: 1,
              channels: x.features,
              image: cotangentOf(x),
              imageColumn: 0,
              flat: dy,
              flatColumn: column,
              accumulate,
            });
          }
          column += x.features;
        }
        break;
      }
      case 'flatten':
      case 'unflatten': {
        if (!needsGradient(n.x)) break;
        const accumulate = cotangents.has(n.x);
        const back = n.op === 'flatten' ? 'unflatten' : 'flatten';
        kernels.push(emitReshape(net, back, n.x, n, accumulate, { to: cotangentOf(n.x), from: dy }));
        break;
      }
      default:
        n satisfies never;
    }
  }
  return [...kernels, ...parameters.kernels()];
}
