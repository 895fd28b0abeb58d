/** Kernels of the loss, the metrics and the prediction, and of the loss's gradient. */
import { vjp } from './derive.ts';
import type { Expr } from './expr.ts';
import { input, rowSum } from './expr.ts';
import type { BufferId, Kernel } from './kernels.ts';
import { activations } from './kinds/activations/registry.ts';
import type { LossKind } from './kinds/kind.ts';
import { metrics } from './kinds/metrics/registry.ts';
import type { Output } from './lower.ts';
import { lower } from './lower.ts';
import type { Placement } from './network.ts';
import { full, storeTo } from './network.ts';
import type { PlanShape, PlanSpec } from './plan-spec.ts';

/** The step's 1 / rows, in the first slot of its scalars. */
export const INVERSE_ROWS = 'inverseRows';
const Z = input('z');
const T = input('t');

/** Loss, metrics and prediction, all from the network's last value before the link. */
export function createScores(
  spec: PlanSpec,
  shape: PlanShape,
  loss: LossKind,
  { buffers }: Placement,
  columns: number,
) {
  const y: Expr = loss.link === null ? Z : activations.get(loss.link).formula(Z, { kind: loss.link });
  const rowLoss = loss.formula(Z, T, spec.loss, columns);
  const scores = [
    { name: 'loss', expr: rowLoss },
    ...spec.metrics.map((name) => ({ name, expr: metrics.get(name).formula(y, T, columns) })),
  ];
  const targets = buffers.matrix('targets', 'batch', shape.targets);
  const rows = scores.map((s) => buffers.vector(`rows.${s.name}`, 'batch'));

  const sums = lower(
    {
      label: 'sum scores',
      rows: 1,
      columns: 'batch',
      sources: Object.fromEntries(
        rows.map((buffer, i) => [`score${i}`, { from: 'buffer', buffer, extent: 'col' } as const]),
      ),
      outputs: rows.map((_, i) => ({
        expr: rowSum(input(`score${i}`, 'col')),
        target: { to: 'stepOutput', slot: i } as const,
      })),
    },
    buffers,
  );

  /** With a buffer for it, the gradient of the mean loss is computed in the same kernels. */
  const kernels = (z: BufferId, cotangent: BufferId | null): Kernel[] => {
    const wanted: Output[] = scores.map((s, i) => ({ expr: s.expr, target: storeTo(rows[i] ?? -1) }));
    if (cotangent !== null) {
      wanted.push({ expr: vjp(rowLoss, 'z', input(INVERSE_ROWS, 'scalar')), target: storeTo(cotangent) });
    }
    const sources = { z: full(z), t: full(targets), [INVERSE_ROWS]: { from: 'stepInput', slot: 0 } as const };
    return [
      { kind: 'gather', label: 'gather targets', table: 'targets', columns: shape.targets, out: targets },
      ...lower({ label: spec.loss.kind, rows: 'batch', columns, sources, outputs: wanted }, buffers),
      ...sums,
    ];
  };
  const prediction = (z: BufferId, target: BufferId): Kernel[] =>
    lower(
      {
        label: 'prediction',
        rows: 'batch',
        columns,
        sources: { z: full(z) },
        outputs: [{ expr: y, target: storeTo(target) }],
      },
      buffers,
    );
  return { kernels, prediction };
}
