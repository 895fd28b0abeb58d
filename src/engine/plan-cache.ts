/** Plans by what decides them: trainings that differ in their seed, data or length only share one. */
import { canonicalJson } from './canonical-json.ts';
import type { Plan } from './kernels.ts';
import { createPlan, type PlanShape, type PlanSpec } from './plan.ts';

export interface PlanCache {
  /** Makes what is not there. */
  of(spec: PlanSpec, shape: PlanShape): Plan;
}

/** Keeps the `plansMax` plans used last. */
export function createPlanCache(plansMax: number): PlanCache {
  const plans = new Map<string, Plan>();
  return {
    of: (spec, shape) => {
      const key = keyOf(spec, shape);
      const plan = plans.get(key) ?? createPlan(spec, shape);
      // A map is in order of insertion: the last used comes last.
      plans.delete(key);
      plans.set(key, plan);
      for (const oldest of plans.keys()) {
        if (plans.size <= plansMax) break;
        plans.delete(oldest);
      }
      return plan;
    },
  };
}

function keyOf({ model, loss, optimizer, regularization, training, metrics }: PlanSpec, shape: PlanShape) {
  const { batchSize, gradientClipping } = training;
  return canonicalJson({
    model,
    loss,
    optimizer,
    regularization,
    batchSize,
    gradientClipping,
    metrics,
    shape,
  } satisfies Record<Exclude<keyof PlanSpec, 'training'> | keyof PlanSpec['training'] | 'shape', unknown>);
}
