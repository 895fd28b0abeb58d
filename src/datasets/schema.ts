// What the dataset routes take and give.
import { z } from 'zod';
import { cursorParameter, limitParameter, pageSchema, queryInteger, text } from '../http/parameters.ts';
import { columnNameLengthMax } from './limits.ts';

const columnName = z.string().meta({ description: 'As in the header of the CSV' });

const numericColumn = z
  .strictObject({
    name: columnName,
    type: z.literal('numeric'),
    integer: z.boolean().meta({ description: 'Every value is a whole number' }),
    min: z.number(),
    max: z.number(),
    mean: z.number(),
    classes: z.array(z.string()).nullable().meta({
      description: 'The distinct values where they are whole and at most 1,000: the column can be classes',
    }),
  })
  .meta({ id: 'NumericColumn' });

const categoricalColumn = z
  .strictObject({
    name: columnName,
    type: z.literal('categorical'),
    categories: z.array(z.strictObject({ value: z.string(), count: z.int() }).meta({ id: 'CategoryCount' })),
  })
  .meta({ id: 'CategoricalColumn' });

export const columnSchema = z
  .discriminatedUnion('type', [numericColumn, categoricalColumn])
  .meta({ id: 'Column', description: 'A column with its inferred or given type' });

export const datasetSchema = z
  .strictObject({
    id: z.uuid(),
    name: z.string(),
    rowCount: z.int().meta({ description: 'Without the header' }),
    byteLength: z.int(),
    sha256: z.string().meta({ description: 'Of the file as uploaded' }),
    columns: z.array(columnSchema),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'Dataset' });

const datasetListItem = datasetSchema
  .omit({ columns: true })
  .extend({ columnCount: z.int() })
  .meta({ id: 'DatasetListItem', description: 'A dataset without its columns' });

export const datasetPageSchema = pageSchema('DatasetPage', datasetListItem);

export const previewSchema = z
  .strictObject({
    columns: z.array(
      z
        .strictObject({ name: columnName, type: z.enum(['numeric', 'categorical']) })
        .meta({ id: 'PreviewColumn' }),
    ),
    rows: z
      .array(z.array(z.union([z.number(), z.string()])))
      .meta({ description: 'The first rows in file order, a value for each column' }),
    rowCount: z.int().meta({ description: 'Of the whole dataset' }),
  })
  .meta({ id: 'DatasetPreview' });

const columnNames = z
  .string()
  .max(100 * columnNameLengthMax)
  .optional()
  .transform((list) => (list === undefined || list === '' ? [] : list.split(',')));

export const uploadQuery = z.strictObject({
  name: text(200).default('untitled').meta({ description: 'What to call the dataset' }),
  categorical: columnNames.meta({
    description: 'Columns to read as texts whatever they look like, separated by commas',
    override: { type: 'string' },
  }),
  numeric: columnNames.meta({
    description: 'Columns that have to be numbers, separated by commas',
    override: { type: 'string' },
  }),
});

export const uploadHeaders = z.object({
  'idempotency-key': z.string().optional().meta({
    description: 'Up to 200 printable characters; the same key and request get the first answer again',
  }),
});

export const listQuery = z.strictObject({
  limit: limitParameter,
  cursor: cursorParameter,
  name: text(200).optional().meta({ description: 'Only datasets of exactly this name' }),
});

export const previewQuery = z.strictObject({
  limit: queryInteger(1, 100, 20, 'How many rows at most'),
});

export type Dataset = z.output<typeof datasetSchema>;
export type DatasetPage = z.output<typeof datasetPageSchema>;
export type DatasetListItem = z.output<typeof datasetListItem>;
export type DatasetPreview = z.output<typeof previewSchema>;
