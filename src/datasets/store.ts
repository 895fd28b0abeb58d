// Datasets in Postgres: one row, and the file's bytes in hashed chunks beside it.
import type { Database, DatabaseTransaction } from '../db/client.ts';
import { Prisma } from '../db/generated/client.ts';
import type { ColumnSummary } from '../engine/table.ts';
import { notFound, problem } from '../errors.ts';
import { decodeCursor } from '../http/cursor.ts';
import { sha256Hex } from '../idempotency/sha256.ts';
import { rememberDeletion, wasDeleted } from '../idempotency/store.ts';
import type { Dataset, DatasetListItem } from './schema.ts';

const columns = {
  id: true,
  name: true,
  rowCount: true,
  byteLength: true,
  contentSha256: true,
  columns: true,
  createdAt: true,
} as const satisfies Prisma.DatasetSelect;

type DatasetRow = Prisma.DatasetGetPayload<{ select: typeof columns }>;

function toDataset(row: DatasetRow): Dataset {
  return {
    id: row.id,
    name: row.name,
    rowCount: row.rowCount,
    byteLength: Number(row.byteLength),
    sha256: row.contentSha256,
    // Written by this service alone, from values of this very type.
    columns: row.columns as unknown as ColumnSummary[],
    createdAt: row.createdAt.toISOString(),
  };
}

export interface NewDataset {
  readonly id: string;
  readonly projectId: string;
  readonly name: string;
  readonly contentSha256: string;
  readonly byteLength: number;
  readonly rowCount: number;
  readonly columns: readonly ColumnSummary[];
}

/** Give it a transaction: the row and its chunks belong together. */
export async function insertDataset(
  tx: DatabaseTransaction,
  dataset: NewDataset,
  content: AsyncIterable<Uint8Array<ArrayBuffer>>,
): Promise<Dataset> {
  const data = { ...dataset, columns: dataset.columns as unknown as Prisma.InputJsonValue };
  const row = await tx.dataset.create({ data, select: columns });
  let index = 0;
  for await (const bytes of content) {
    await tx.$executeRaw`
      INSERT INTO "DatasetChunk" ("datasetId", "index", "sha256", "bytes")
      VALUES (${dataset.id}::uuid, ${index}::int, ${sha256Hex(bytes)}, ${bytes})`;
    index++;
  }
  return toDataset(row);
}

/** Throws 404 for anything outside the project. */
export async function getDataset(db: DatabaseTransaction, projectId: string, id: string): Promise<Dataset> {
  const row = await db.dataset.findFirst({ where: { id, projectId }, select: columns });
  if (row === null) throw notFound('dataset');
  return toDataset(row);
}

/** What a spec is checked against; null for anything outside the project. `id` need not be one. */
export async function getDatasetShape(
  db: DatabaseTransaction,
  projectId: string,
  id: string,
): Promise<{ contentSha256: string; rowCount: number; columns: ColumnSummary[] } | null> {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) return null;
  const row = await db.dataset.findFirst({
    where: { id, projectId },
    select: { contentSha256: true, rowCount: true, columns: true },
  });
  return row && { ...row, columns: row.columns as unknown as ColumnSummary[] };
}

interface ListFilter {
  readonly limit: number;
  readonly cursor?: string | undefined;
  readonly name?: string | undefined;
}

type ListRow = Omit<DatasetListItem, 'createdAt'> & { createdAt: Date };

/** Newest first, `limit + 1` rows at most. Columns are counted where they lie: they may be large. */
export async function listDatasets(
  db: DatabaseTransaction,
  projectId: string,
  filter: ListFilter,
): Promise<ListRow[]> {
  const after = filter.cursor === undefined ? null : decodeCursor(filter.cursor);
  const named = filter.name === undefined ? Prisma.empty : Prisma.sql`AND "name" = ${filter.name}`;
  const older =
    after === null
      ? Prisma.empty
      : Prisma.sql`AND ("createdAt", "id") < (${after.createdAt}::timestamptz, ${after.id}::uuid)`;
  const rows = await db.$queryRaw<(Omit<ListRow, 'byteLength'> & { byteLength: bigint })[]>`
    SELECT "id", "name", "rowCount", "byteLength", "contentSha256" AS "sha256",
      jsonb_array_length("columns") AS "columnCount", "createdAt"
    FROM "Dataset" WHERE "projectId" = ${projectId}::uuid ${named} ${older}
    ORDER BY "createdAt" DESC, "id" DESC LIMIT ${filter.limit + 1}::int`;
  return rows.map((row) => ({ ...row, byteLength: Number(row.byteLength) }));
}

export function toListItem(row: ListRow): DatasetListItem {
  return { ...row, createdAt: row.createdAt.toISOString() };
}

/** Deleting what was deleted within the last day is answered like the first time. Throws 404 and 409. */
export async function deleteDataset(db: Database, projectId: string, id: string): Promise<void> {
  await db.$transaction(async (tx) => {
    // The lock keeps a run from being submitted between the question and the deletion.
    const [found] = await tx.$queryRaw<{ id: string }[]>`
      SELECT "id" FROM "Dataset" WHERE "id" = ${id}::uuid AND "projectId" = ${projectId}::uuid FOR UPDATE`;
    if (found === undefined) {
      if (await wasDeleted(tx, projectId, 'dataset', id)) return;
      throw notFound('dataset');
    }
    const runs = await tx.run.count({ where: { datasetId: id } });
    if (runs > 0) {
      const used = runs === 1 ? 'A run uses' : `${runs} runs use`;
      throw problem('dataset-in-use', `${used} this dataset; delete them first.`);
    }
    await tx.dataset.delete({ where: { id } });
    await rememberDeletion(tx, projectId, 'dataset', id);
  });
}

/** The file from its start, chunk by chunk; fewer are read when the reader stops early. */
export async function* readContent(db: DatabaseTransaction, id: string): AsyncGenerator<Uint8Array> {
  for (let index = 0; ; index++) {
    const where = { datasetId_index: { datasetId: id, index } };
    const chunk = await db.datasetChunk.findUnique({ where, select: { bytes: true } });
    if (chunk === null) return;
    yield chunk.bytes;
  }
}
