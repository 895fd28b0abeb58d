// A dataset as threads give it to each other: the table as it was parsed, and what was prepared from it for trainings
// that read, split and encode it alike.
import { z } from 'zod';
import type { preprocessingSchema } from '../src/engine/preprocessing.ts';
import type { ColumnSummary, Table } from '../src/engine/table.ts';
import { byteLengthOf, sharedTables } from './shared-tables.ts';

// Our own threads' values: their form is the engine's, and they are too many to look at each.
const table = z.custom<Table>(isRecord);
const columns = z.custom<readonly ColumnSummary[]>(Array.isArray);
const rows = z.instanceof(Int32Array<SharedArrayBuffer>);

export const parsedData = z.object({ table, columns });
export type ParsedData = z.output<typeof parsedData>;

export const encodedData = z.object({
  columns,
  tables: sharedTables,
  featureCount: z.int(),
  targetCount: z.int(),
  parts: z.object({ training: rows, validation: rows, test: rows }),
  preprocessing: z.custom<z.output<typeof preprocessingSchema>>(isRecord),
});
export type EncodedData = z.output<typeof encodedData>;

export function parsedBytes({ table }: ParsedData): number {
  return table.columns.reduce(
    (sum, column) => sum + (column.type === 'numeric' ? column.values : column.codes).byteLength,
    0,
  );
}

export function encodedBytes({ tables, parts }: EncodedData): number {
  return Object.values(parts).reduce((sum, part) => sum + part.byteLength, byteLengthOf(tables));
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
