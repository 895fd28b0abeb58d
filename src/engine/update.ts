/** From a gradient to a parameter's next value: clipping, penalty and the optimiser's formula in one expression. */
import type { BufferTable } from './buffers.ts';
import { createClipping } from './clipping.ts';
import { input } from './expr.ts';
import type { Update } from './gradients.ts';
import type { Parameter } from './graph.ts';
import type { BufferId, ParameterInfo, Source } from './kernels.ts';
import { optimizers } from './kinds/optimizers/registry.ts';
import { storeTo } from './network.ts';
import type { PlanSpec } from './plan-spec.ts';
import { penalized } from './regularization.ts';

export function createUpdate(
  spec: PlanSpec,
  parameter: (p: Parameter) => ParameterInfo,
  buffers: BufferTable,
): Update {
  const optimizer = optimizers.get(spec.optimizer.kind);
  const slotNames = optimizer.slots(spec.optimizer);
  const extentOfParameter = (p: Parameter) => (p.shape.length > 1 ? 'full' : 'col');
  const { gradientClipping } = spec.training;
  const clipping = gradientClipping === undefined ? null : createClipping(gradientClipping, buffers);
  const target = (buffer: BufferId | undefined, what: string) => {
    if (buffer === undefined) throw new Error(`${spec.optimizer.kind}: no slot ${what}`);
    return storeTo(buffer);
  };
  return {
    together: clipping?.kernels ?? null,
    outputs: (p, gradient) => {
      const extent = extentOfParameter(p);
      const { buffer, slots } = parameter(p);
      const own = input('parameter', extent);
      const clipped = clipping === null ? gradient : clipping.clipped(gradient);
      const next = optimizer.update(
        {
          parameter: own,
          gradient: penalized(spec.regularization, p.role, own, clipped),
          slots: Object.fromEntries(slotNames.map((s) => [s, input(`slot.${s}`, extent)])),
          scalars: Object.fromEntries(optimizer.scalarNames.map((s) => [s, input(`step.${s}`, 'scalar')])),
        },
        spec.optimizer,
      );
      const slotOutputs = Object.entries(next.slots).map(([s, expr]) => ({
        expr,
        target: target(slots[s], s),
      }));
      return [{ expr: next.parameter, target: storeTo(buffer) }, ...slotOutputs];
    },
    sources: (p) => {
      const { buffer, slots } = parameter(p);
      const seen = (id: BufferId): Source => ({ from: 'buffer', buffer: id, extent: extentOfParameter(p) });
      return {
        ...clipping?.sources,
        parameter: seen(buffer),
        ...Object.fromEntries(Object.entries(slots).map(([s, id]) => [`slot.${s}`, seen(id)])),
        ...Object.fromEntries(
          optimizer.scalarNames.map((s, i) => [`step.${s}`, { from: 'stepInput', slot: i + 1 } as const]),
        ),
      };
    },
  };
}
