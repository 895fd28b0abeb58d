/**
 * Penalties on parameters: their gradient is added to the loss's own, after any clipping, as PyTorch's weight decay is.
 * The reported loss is that of the data alone.
 */
import { z } from 'zod';
import { vjp } from './derive.ts';
import type { Expr } from './expr.ts';
import { add, constant, extentOf, input } from './expr.ts';
import type { Parameter } from './graph.ts';
import { regularizers } from './kinds/regularizers/registry.ts';
import { substitute } from './rewrite.ts';

export const regularization = z
  .strictObject({
    weights: regularizers.schema.optional().describe('On the weights of dense and convolutional layers'),
    biases: regularizers.schema.optional().describe('On the biases of all layers'),
  })
  .meta({ id: 'RegularizationSpec', description: 'Penalties added to the loss that is minimised' });

export interface RegularizationSpec {
  readonly weights?: { readonly kind: string } | undefined;
  readonly biases?: { readonly kind: string } | undefined;
}

const FIELD = { weight: 'weights', bias: 'biases', scale: null, statistic: null } as const;

/** The gradient with that of the parameter's penalty, if it has one. */
export function penalized(
  spec: RegularizationSpec | undefined,
  role: Parameter['role'],
  parameter: Expr,
  gradient: Expr,
): Expr {
  const field = FIELD[role];
  const own = field === null ? undefined : spec?.[field];
  if (own === undefined) return gradient;
  const w = input('w', extentOf(parameter));
  const slope = vjp(regularizers.get(own.kind).formula(w, own), 'w', constant(1));
  return add(gradient, substitute(slope, { w: parameter }));
}
