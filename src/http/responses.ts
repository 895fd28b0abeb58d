// Pieces of response schemas. Factories: a response object that is shared by two routes turns into an empty
// schema in the OpenAPI document.
import { z } from 'zod';

export function jsonResponse<Schema extends z.ZodType>(description: string, schema: Schema) {
  return { description, content: { 'application/json': { schema } } };
}

/** A body of bytes. */
export function bytesResponse<const Type extends string>(description: string, mediaType: Type) {
  const schema = z.string().meta({ override: { type: 'string', format: 'binary' } });
  return { description, content: { [mediaType]: { schema } } as Record<Type, { schema: typeof schema }> };
}

export const locationHeader = z.object({
  location: z.string().meta({ description: 'Path of what was created' }),
});
