/**
 * Gradients of parameters and their updates. The optimiser's update runs in the tail of the kernel that computes the
 * gradient, unless the gradient is collected first: of a parameter used more than once, or where all gradients are
 * looked at together.
 */
import type { Expr } from './expr.ts';
import { add, colSum, input } from './expr.ts';
import { windowsOf } from './forward.ts';
import type { AffineNode, Parameter } from './graph.ts';
import type { BufferId, Kernel, Source } from './kernels.ts';
import type { Output } from './lower.ts';
import { lower } from './lower.ts';
import type { Network } from './network.ts';
import { ACC, full, gemmStores, rowsOf, storeTo } from './network.ts';
import { reduces } from './search.ts';

/** How a parameter becomes its next value: stores over the parameter's extent, and where their inputs come from. */
export interface Update {
  outputs(p: Parameter, gradient: Expr): readonly Output[];
  sources(p: Parameter): Readonly<Record<string, Source>>;
  /** Whether every gradient is to be collected: what to do with all of them before the updates, or null. */
  readonly together: ((gradients: readonly (readonly [Parameter, Source])[]) => readonly Kernel[]) | null;
}

/** What the way back tells about parameters; `kernels` come after everything else, when the old weights are read. */
export function createGradients(net: Network, update: Update) {
  const { at } = net;
  const kernels: Kernel[] = [];
  const collected = new Map<Parameter, Source & { from: 'buffer' }>();
  const uses = parameterUses(net);
  const apart = (p: Parameter): boolean => update.together !== null || uses.get(p) !== 1;

  /** Stores the gradient, or adds it to what earlier uses of the parameter left. */
  const collect = (p: Parameter, gradient: Expr): { output: Output; sources: Record<string, Source> } => {
    const shape = at.buffers.shape(at.parameter(p));
    const extent = shape.kind === 'matrix' ? 'full' : 'col';
    const before = collected.get(p);
    const place = (): BufferId => {
      const name = `gradients.${p.name}`;
      const columns = typeof shape.columns === 'number' ? shape.columns : 0;
      return extent === 'full'
        ? at.buffers.matrix(name, shape.rows, columns)
        : at.buffers.vector(name, columns);
    };
    const source = before ?? { from: 'buffer', buffer: place(), extent };
    collected.set(p, source);
    const previous = `previous.${p.name}`;
    return {
      output: {
        expr: before === undefined ? gradient : add(input(previous, extent), gradient),
        target: storeTo(source.buffer),
      },
      sources: before === undefined ? {} : { [previous]: before },
    };
  };

  const ofWeight = (n: AffineNode, dy: BufferId): void => {
    const updates = update.outputs(n.weight, ACC);
    const fused = !apart(n.weight) && !updates.some((o) => reduces(o.expr));
    const gathered = fused ? null : collect(n.weight, ACC);
    const windows = windowsOf(n);
    const taps = windows?.taps.map(({ rowStep }, block) => ({ rowStep, block }));
    kernels.push({
      kind: 'gemm',
      label: `${n.weight.name} gradient`,
      m: n.x.features * (taps?.length ?? 1),
      n: n.features,
      k: rowsOf(n),
      a: at.value(n.x),
      aTransposed: true,
      b: dy,
      bTransposed: false,
      init: null,
      ...(windows !== null && taps !== undefined && { windows: { ...windows, taps } }),
      ...(gathered === null
        ? gemmStores(updates, update.sources(n.weight))
        : gemmStores([gathered.output], gathered.sources)),
    });
  };

  const ofBias = (bias: Parameter, n: AffineNode, dy: BufferId): void => {
    const gradient = colSum(input('dy'));
    const gathered = apart(bias) ? collect(bias, gradient) : null;
    kernels.push(
      ...lower(
        {
          label: `${bias.name} gradient`,
          rows: rowsOf(n),
          columns: n.features,
          sources: { dy: full(dy), ...(gathered === null ? update.sources(bias) : gathered.sources) },
          outputs: gathered === null ? update.outputs(bias, gradient) : [gathered.output],
        },
        at.buffers,
      ),
    );
  };

  const apply = ([p, source]: readonly [Parameter, Source & { from: 'buffer' }]): Kernel[] => {
    const shape = at.buffers.shape(at.parameter(p));
    const extent = shape.kind === 'matrix' ? 'full' : 'col';
    return lower(
      {
        label: `${p.name} update`,
        rows: shape.rows,
        columns: shape.columns,
        sources: { ...update.sources(p), gradient: source },
        outputs: update.outputs(p, input('gradient', extent)),
      },
      at.buffers,
    );
  };

  return {
    collect,
    ofProduct: (n: AffineNode, dy: BufferId): void => {
      ofWeight(n, dy);
      if (n.bias !== null) ofBias(n.bias, n, dy);
    },
    kernels: (): Kernel[] => [
      ...kernels,
      ...(update.together?.([...collected]) ?? []),
      ...[...collected].flatMap(apply),
    ],
  };
}

function parameterUses(net: Network): ReadonlyMap<Parameter, number> {
  const uses = new Map<Parameter, number>();
  const count = (p: Parameter): void => {
    uses.set(p, (uses.get(p) ?? 0) + 1);
  };
  for (const n of net.nodes) {
    if (n.op === 'map') n.parameters.forEach(count);
    if (n.op !== 'affine') continue;
    count(n.weight);
    if (n.bias !== null) count(n.bias);
  }
  return uses;
}
