/** A valid spec for any kind: its defaults, and the smallest allowed value for what has none. */
import { z } from 'zod';
import type { Kind } from '../../../../src/engine/kinds/kind.ts';

const field = z.object({
  $ref: z.string().optional(),
  const: z.unknown().optional(),
  anyOf: z.array(z.unknown()).optional(),
  oneOf: z.array(z.unknown()).optional(),
  items: z.unknown().optional(),
  minItems: z.number().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).default([]),
  enum: z.array(z.unknown()).optional(),
  type: z.string().optional(),
  minimum: z.number().optional(),
  exclusiveMinimum: z.number().optional(),
});
const definition = z.object({
  properties: z.record(z.string(), field),
  required: z.array(z.string()).default([]),
});
const document = z.object({
  $ref: z.string().optional(),
  $defs: z.record(z.string(), z.unknown()).optional(),
});

type Definitions = Readonly<Record<string, unknown>>;

/** Schemas with a name of their own are among the definitions. */
const named = ($ref: string, definitions: Definitions): unknown => definitions[$ref.split('/').at(-1) ?? ''];

function fieldsOf(kind: Kind): { fields: z.output<typeof definition>; definitions: Definitions } {
  const root = z.toJSONSchema(kind.schema, { io: 'input' });
  const { $ref, $defs = {} } = document.parse(root);
  return { fields: definition.parse($ref === undefined ? root : named($ref, $defs)), definitions: $defs };
}

/** The JSON Schema of what a client writes for a kind: its fields, and which of them have no default. */
export const describeFields = (kind: Kind): z.output<typeof definition> => fieldsOf(kind).fields;

function example(schema: unknown, definitions: Definitions): unknown {
  const f = field.parse(schema);
  if (f.$ref !== undefined) return example(named(f.$ref, definitions), definitions);
  if (f.const !== undefined) return f.const;
  if (f.enum !== undefined) return f.enum[0];
  const [choice] = f.oneOf ?? f.anyOf ?? [];
  if (choice !== undefined) return example(choice, definitions);
  if (f.type === 'object') {
    return Object.fromEntries(f.required.map((name) => [name, example(f.properties?.[name], definitions)]));
  }
  if (f.type === 'array') {
    return Array.from({ length: f.minItems ?? 0 }, () => example(f.items, definitions));
  }
  if (f.type === 'boolean') return false;
  if (f.type === 'string') return 'a';
  return f.minimum ?? (f.exclusiveMinimum ?? 0) + 1;
}

/** What a client would have to write, at least. */
export function smallestSpec(kind: Kind): Record<string, unknown> {
  const { fields, definitions } = fieldsOf(kind);
  return Object.fromEntries(
    fields.required.map((name) => [name, example(fields.properties[name] ?? {}, definitions)]),
  );
}

/** The same, parsed: with every default filled in. */
export function exampleSpec<S extends z.ZodObject>(kind: Kind<S>): z.output<S> {
  return kind.schema.parse(smallestSpec(kind));
}
