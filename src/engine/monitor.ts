/** The names under which metrics are reported, part by part, and which way each of them is better. */
import type { Watch } from './early-stopping.ts';
import type { Part } from './kinds/kind.ts';
import { metrics } from './kinds/metrics/registry.ts';
import type { ResolvedSpec } from './resolve.ts';

/** `loss` of the training part is `loss`; of the others `validationLoss`, `testLoss`. */
export const partMetric = (part: Part, name: string): string =>
  part === 'training' ? name : `${part}${name.charAt(0).toUpperCase()}${name.slice(1)}`;

/** What can be monitored: every metric of the parts that an epoch reports on. */
export function monitorNames(spec: ResolvedSpec, validation: boolean): string[] {
  const parts: readonly Part[] = validation ? ['training', 'validation'] : ['training'];
  return parts.flatMap((part) => ['loss', ...spec.metrics].map((name) => partMetric(part, name)));
}

/** What decides which epoch is best: the spec's early stopping, otherwise the loss, on unseen rows if there are any. */
export function watchOf(spec: ResolvedSpec, validation: boolean): Watch {
  const stopping = spec.training.earlyStopping;
  if (stopping === undefined) {
    return { monitor: validation ? 'validationLoss' : 'loss', mode: 'min', minDelta: 0, patience: null };
  }
  const { monitor, minDelta, patience } = stopping;
  return { monitor, mode: stopping.mode ?? naturalMode(spec, monitor), minDelta, patience };
}

function naturalMode(spec: ResolvedSpec, monitor: string): 'min' | 'max' {
  const parts: readonly Part[] = ['training', 'validation'];
  const metric = spec.metrics.find((name) => parts.some((part) => partMetric(part, name) === monitor));
  return metric !== undefined && metrics.get(metric).better === 'higher' ? 'max' : 'min';
}
