/**
 * What every registered kind must satisfy, whoever adds it: run over the registries, with nothing to edit per kind.
 * The schema part is here; the rest of each family's contract is in formula-conformance.ts and rule-conformance.ts.
 */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { FamilyKinds, FamilyName } from '../../../../src/engine/kinds/family.ts';
import type { Kind } from '../../../../src/engine/kinds/kind.ts';
import { describeFields, exampleSpec, smallestSpec } from './example-spec.ts';
import {
  describeActivation,
  describeGradientClipping,
  describeLoss,
  describeMetric,
  describeOptimizer,
  describeRegularizer,
} from './formula-conformance.ts';
import {
  describeCategoricalPreprocessor,
  describeInitializer,
  describeLayer,
  describeNumericPreprocessor,
  describeSchedule,
  describeSplit,
} from './rule-conformance.ts';

interface Registry<N extends FamilyName> {
  readonly name: N;
  readonly kinds: readonly FamilyKinds[N][];
  readonly names: readonly string[];
  readonly schema: z.ZodType;
  get(kind: string): FamilyKinds[N];
}
export type Registries = { readonly [N in FamilyName]?: Registry<N> };

type Contracts = { readonly [N in FamilyName]: (kind: FamilyKinds[N]) => void };
const contracts: Contracts = {
  activation: describeActivation,
  loss: describeLoss,
  optimizer: describeOptimizer,
  regularizer: describeRegularizer,
  gradientClipping: describeGradientClipping,
  schedule: describeSchedule,
  initializer: describeInitializer,
  layer: describeLayer,
  numericPreprocessor: describeNumericPreprocessor,
  categoricalPreprocessor: describeCategoricalPreprocessor,
  split: describeSplit,
  metric: describeMetric,
};

const idOf = (schema: z.ZodType): string => z.globalRegistry.get(schema)?.id ?? '';
const pascal = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1);

function describeSchema(kind: Kind, family: { schema: z.ZodType; get(kind: string): Kind }): void {
  it('parses its spec to the same each time, through JSON and through the union', () => {
    const spec = exampleSpec(kind);
    expect(spec.kind).toBe(kind.kind);
    const written: unknown = JSON.parse(JSON.stringify(spec));
    expect(kind.schema.parse(written)).toEqual(spec);
    expect(family.schema.parse(smallestSpec(kind))).toEqual(spec);
    expect(family.get(kind.kind)).toBe(kind);
  });

  it('refuses unknown keys and other kinds', () => {
    expect(kind.schema.safeParse({ ...smallestSpec(kind), surprise: 1 }).success).toBe(false);
    expect(kind.schema.safeParse({ ...smallestSpec(kind), kind: 'other' }).success).toBe(false);
  });

  it('is named and described for OpenAPI', () => {
    expect(idOf(kind.schema)).toBe(`${pascal(kind.kind)}${idOf(family.schema)}`);
    expect(z.globalRegistry.get(kind.schema)?.description ?? '').not.toBe('');
  });

  it('bounds every number', () => {
    for (const [name, p] of Object.entries(describeFields(kind).properties)) {
      if (p.type !== 'number' && p.type !== 'integer') continue;
      expect(typeof (p.minimum ?? p.exclusiveMinimum), name).toBe('number');
    }
  });
}

function describeFamily<N extends FamilyName>(registry: Registry<N>): void {
  const contract: (kind: FamilyKinds[N]) => void = contracts[registry.name];
  describe.each(registry.kinds.map((kind) => ({ name: kind.kind, kind })))(
    `${registry.name} $name`,
    ({ kind }) => {
      describeSchema(kind, registry);
      contract(kind);
    },
  );

  it(`${registry.name}: refuses a kind it does not know`, () => {
    expect(registry.schema.safeParse({ kind: 'unheardOf' }).success).toBe(false);
    expect(() => registry.get('unheardOf')).toThrow(RangeError);
    expect(registry.names).toEqual(registry.kinds.map((kind) => kind.kind));
  });
}

export function describeConformance(registries: Registries): void {
  const families = Object.values(registries);
  for (const { name } of families) {
    const registry = registries[name];
    if (registry !== undefined) describeFamily(registry as Registry<FamilyName>);
  }

  it('gives every kind and family an OpenAPI name of its own', () => {
    const ids = families.flatMap((family) => [
      idOf(family.schema),
      ...family.kinds.map((kind: Kind) => idOf(kind.schema)),
    ]);
    expect(ids).not.toContain('');
    expect(new Set(ids).size).toBe(ids.length);
    const document = z.toJSONSchema(z.object(Object.fromEntries(families.map((f) => [f.name, f.schema]))));
    const definitions = Object.keys(document.$defs ?? {});
    expect(ids.filter((id) => !definitions.includes(id))).toEqual([]);
  });
}
