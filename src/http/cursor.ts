// Opaque keyset cursors: where the last page ended, never how many rows to skip.
import { z } from 'zod';
import { problem } from '../errors.ts';

const keySchema = z.strictObject({ createdAt: z.iso.datetime(), id: z.uuid() });

/** Lists are ordered by creation time, then id. */
export interface Keyset {
  readonly createdAt: Date;
  readonly id: string;
}

export function encodeCursor({ createdAt, id }: Keyset): string {
  return encode({ createdAt: createdAt.toISOString(), id });
}

/** Throws a 422 for anything this service did not make. */
export function decodeCursor(cursor: string): Keyset {
  const { createdAt, id } = decode(cursor, keySchema);
  return { createdAt: new Date(createdAt), id };
}

const sequenceSchema = z.strictObject({
  sequence: z
    .int()
    .min(0)
    .max(2 ** 31 - 1),
});

export function encodeSequenceCursor(sequence: number): string {
  return encode({ sequence });
}

/** The cursor of a list ordered by a per-run sequence. */
export function decodeSequenceCursor(cursor: string): number {
  return decode(cursor, sequenceSchema).sequence;
}

function encode(key: object): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url');
}

function decode<Schema extends z.ZodType>(cursor: string, schema: Schema): z.output<Schema> {
  const parsed = schema.safeParse(readJson(Buffer.from(cursor, 'base64url').toString('utf8')));
  if (parsed.success) return parsed.data;
  throw problem('invalid-request', 'There is a mistake in the query.', {
    errors: [{ pointer: '?cursor', detail: 'is not a cursor of this list; start again without one' }],
  });
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A page and how to ask for the next: `rows` holds one row more than `limit` where there is a next page. */
export function toPage<Row, Item>(
  rows: readonly Row[],
  limit: number,
  toItem: (row: Row) => Item,
  cursorOf: (row: Row) => string,
): { data: Item[]; hasMore: boolean; nextCursor: string | null } {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const hasMore = rows.length > limit && last !== undefined;
  return { data: page.map(toItem), hasMore, nextCursor: hasMore ? cursorOf(last) : null };
}
