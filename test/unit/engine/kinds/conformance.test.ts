import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { abs, add, div } from '../../../../src/engine/expr.ts';
import { activations } from '../../../../src/engine/kinds/activations/registry.ts';
import { categoricalPreprocessors } from '../../../../src/engine/kinds/categorical-preprocessors/registry.ts';
import { defineFamily } from '../../../../src/engine/kinds/family.ts';
import { gradientClippings } from '../../../../src/engine/kinds/gradient-clippings/registry.ts';
import { initializers } from '../../../../src/engine/kinds/initializers/registry.ts';
import type { ActivationKind } from '../../../../src/engine/kinds/kind.ts';
import { layers } from '../../../../src/engine/kinds/layers/registry.ts';
import { losses } from '../../../../src/engine/kinds/losses/registry.ts';
import { metrics } from '../../../../src/engine/kinds/metrics/registry.ts';
import { numericPreprocessors } from '../../../../src/engine/kinds/numeric-preprocessors/registry.ts';
import { optimizers } from '../../../../src/engine/kinds/optimizers/registry.ts';
import { regularizers } from '../../../../src/engine/kinds/regularizers/registry.ts';
import { schedules } from '../../../../src/engine/kinds/schedules/registry.ts';
import { splits } from '../../../../src/engine/kinds/splits/registry.ts';
import { describeConformance } from './conformance.ts';

describe('registered kinds', () => {
  describeConformance({
    activation: activations,
    regularizer: regularizers,
    gradientClipping: gradientClippings,
    loss: losses,
    optimizer: optimizers,
    schedule: schedules,
    initializer: initializers,
    layer: layers,
    numericPreprocessor: numericPreprocessors,
    categoricalPreprocessor: categoricalPreprocessors,
    split: splits,
    metric: metrics,
  });
});

describe('one more kind', () => {
  const schema = z
    .strictObject({ kind: z.literal('softsign'), scale: z.number().positive() })
    .meta({ id: 'SoftsignActivation', description: 'y = x / (scale + |x|)' });
  const softsign: ActivationKind<typeof schema> = {
    kind: 'softsign',
    schema,
    family: 'symmetric',
    formula: (x, { scale }) => div(x, add(scale, abs(x))),
  };
  const extended = defineFamily('activation', 'Activation', [...activations.kinds, softsign]);

  describeConformance({ activation: extended });

  it('is in the look-up and in the union by being listed', () => {
    expect(extended.get('softsign')).toBe(softsign);
    expect(JSON.stringify(z.toJSONSchema(extended.schema))).toContain('SoftsignActivation');
    expect(extended.schema.parse({ kind: 'softsign', scale: 2 })).toEqual({ kind: 'softsign', scale: 2 });
  });

  it('must have a name of its own', () => {
    expect(() => defineFamily('activation', 'Activation', [softsign, softsign])).toThrow(/softsign/);
  });
});
