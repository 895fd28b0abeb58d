/** A valid spec for any kind: its defaults, and the smallest allowed value for what has none. */
import { z } from 'zod';
import type { Kind } from '../../../../src/engine/kinds/kind.ts';

const field = z.object({
  const: z.unknown().optional(),
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

/** The JSON Schema of what a client writes for a kind: its fields, and which of them have no default. */
export function describeFields(kind: Kind): z.output<typeof definition> {
  const root = z.toJSONSchema(kind.schema, { io: 'input' });
  const { $ref, $defs } = document.parse(root);
  // A schema with a name of its own is put among the definitions.
  return definition.parse($ref === undefined ? root : $defs?.[$ref.split('/').at(-1) ?? '']);
}

function example(f: z.output<typeof field>): unknown {
  if (f.const !== undefined) return f.const;
  if (f.enum !== undefined) return f.enum[0];
  if (f.type === 'boolean') return false;
  if (f.type === 'string') return 'a';
  return f.minimum ?? (f.exclusiveMinimum ?? 0) + 1;
}

/** What a client would have to write, at least. */
export function smallestSpec(kind: Kind): Record<string, unknown> {
  const { properties, required } = describeFields(kind);
  return Object.fromEntries(required.map((name) => [name, example(properties[name] ?? {})]));
}

/** The same, parsed: with every default filled in. */
export function exampleSpec<S extends z.ZodObject>(kind: Kind<S>): z.output<S> {
  return kind.schema.parse(smallestSpec(kind));
}
