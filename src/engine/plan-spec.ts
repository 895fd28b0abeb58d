/** What of a run's spec and data decides its plan. */
import type { LayerSpec } from './layer-graph.ts';
import type { RegularizationSpec } from './regularization.ts';

/** A kind's part of the spec: its name and whatever its schema says. */
type KindSpec = { readonly kind: string; readonly [field: string]: unknown };

/** What of a run's spec decides the plan. */
export interface PlanSpec {
  readonly model: { readonly layers: readonly LayerSpec[] };
  readonly loss: KindSpec;
  readonly optimizer: KindSpec;
  readonly regularization?: RegularizationSpec | undefined;
  readonly training: { readonly batchSize: number; readonly gradientClipping?: KindSpec | undefined };
  readonly metrics: readonly string[];
}

export interface PlanShape {
  readonly features: number;
  /** Columns of the target matrix. */
  readonly targets: number;
  /** Whether the features are a coded table; see coded-table.ts. */
  readonly coded?: boolean;
}
