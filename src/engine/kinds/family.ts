/**
 * A family of kinds: the look-up by name and the discriminated union of their schemas, both from one list.
 * Adding a kind is one more entry in its family's registry.
 */
import { z } from 'zod';
import type {
  ActivationKind,
  CategoricalPreprocessorKind,
  GradientClippingKind,
  InitializerKind,
  Kind,
  LayerKind,
  LossKind,
  MetricKind,
  NumericPreprocessorKind,
  OptimizerKind,
  RegularizerKind,
  ScheduleKind,
  SplitKind,
} from './kind.ts';

/** What a member of each family must be. */
export interface FamilyKinds {
  activation: ActivationKind;
  loss: LossKind;
  optimizer: OptimizerKind;
  regularizer: RegularizerKind;
  gradientClipping: GradientClippingKind;
  schedule: ScheduleKind;
  initializer: InitializerKind;
  layer: LayerKind;
  numericPreprocessor: NumericPreprocessorKind;
  categoricalPreprocessor: CategoricalPreprocessorKind;
  split: SplitKind;
  metric: MetricKind;
}
export type FamilyName = keyof FamilyKinds;

type Schemas<T extends readonly Kind[]> = { readonly [I in keyof T]: T[I]['schema'] };

export interface Family<N extends FamilyName, T extends readonly Kind[]> {
  readonly name: N;
  readonly kinds: T;
  readonly names: readonly string[];
  readonly schema: z.ZodDiscriminatedUnion<Schemas<T>, 'kind'>;
  /** The kind of that name. Specs are parsed before they get here: an unknown name is a RangeError. */
  get(kind: string): FamilyKinds[N];
}

/** `schemaId` names the union in OpenAPI. Throws on two kinds of one name. */
export function defineFamily<
  N extends FamilyName,
  const T extends readonly [FamilyKinds[N], ...FamilyKinds[N][]],
>(name: N, schemaId: string, kinds: T): Family<N, T> {
  const byName = new Map<string, FamilyKinds[N]>();
  for (const kind of kinds) {
    if (byName.has(kind.kind)) throw new Error(`two kinds of ${name} are named ${kind.kind}`);
    byName.set(kind.kind, kind);
  }
  const schemas = kinds.map((kind) => kind.schema) as unknown as Schemas<T>;
  return {
    name,
    kinds,
    names: [...byName.keys()],
    schema: z.discriminatedUnion('kind', schemas).meta({ id: schemaId }),
    get: (kind) => {
      const found = byName.get(kind);
      if (found === undefined) throw new RangeError(`unknown ${name}: ${kind}`);
      return found;
    },
  };
}
