// Pieces of request schemas that several routes share. Query parameters come as text: they are read strictly
// (no "0x10", no "1e2", no blanks) and described in OpenAPI as what they mean.
import { z } from 'zod';
import { textFlaw } from './json-body.ts';

/** A text that can be stored and shown. */
export function text(lengthMax: number, lengthMin = 1) {
  return z
    .string()
    .min(lengthMin)
    .max(lengthMax)
    .superRefine((value, context) => {
      const flaw = textFlaw(value);
      if (flaw !== null) context.addIssue({ code: 'custom', message: flaw });
    });
}

/** A whole number in a query. */
export function queryInteger(minimum: number, maximum: number, fallback: number, description: string) {
  const expected = `has to be a whole number from ${minimum} to ${maximum}`;
  const fits = (value: string) =>
    /^\d{1,10}$/.test(value) && Number(value) >= minimum && Number(value) <= maximum;
  return z
    .string()
    .refine(fits, expected)
    .transform(Number)
    .default(fallback)
    .meta({ description, override: { type: 'integer', minimum, maximum, default: fallback } });
}

/** `true` or `false` in a query. */
export function queryBoolean(description: string) {
  return z
    .string()
    .refine((value) => value === 'true' || value === 'false', 'has to be true or false')
    .transform((value) => value === 'true')
    .meta({ description, override: { type: 'boolean' } });
}

export const limitParameter = queryInteger(1, 100, 50, 'How many entries at most');
export const cursorParameter = z
  .string()
  .max(500)
  .meta({ description: 'The nextCursor of the page before; opaque' })
  .optional();

export const idParameters = z.strictObject({
  id: z.uuid().meta({ description: 'The id as it was given out' }),
});

/** One page of a list. `id` names the schema. */
export function pageSchema<Item extends z.ZodType>(id: string, item: Item) {
  return z
    .strictObject({
      data: z.array(item),
      hasMore: z.boolean(),
      nextCursor: z.string().nullable().meta({ description: 'Give it as ?cursor= for the next page' }),
    })
    .meta({ id });
}
