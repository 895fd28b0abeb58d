// Takes uploads: the body is scanned while it streams into a spool, and only a file that is whole and good is
// written to the database, in one transaction.
import type { Readable } from 'node:stream';
import { v7 as uuidv7 } from 'uuid';
import type { Database, DatabaseTransaction } from '../db/client.ts';
import { pointerTo } from '../engine/issues.ts';
import { problem } from '../errors.ts';
import { sha256Hex } from '../idempotency/sha256.ts';
import { answerOnce, type OnceAnswer, type StoredAnswer } from '../idempotency/store.ts';
import type { ColumnTypes } from './columns.ts';
import { scanCsv, UnknownColumns } from './csv.ts';
import { CsvFlaw } from './csv-flaw.ts';
import type { CsvLimits } from './limits.ts';
import { previewRows } from './preview.ts';
import type { DatasetPreview } from './schema.ts';
import { createSpool, type Spool } from './spool.ts';
import { getDataset, insertDataset, readContent } from './store.ts';
import { spoolUpload } from './upload.ts';

export interface DatasetDeps {
  readonly db: Database;
  readonly limits: CsvLimits;
  readonly bodyTimeoutMs: number;
}

export interface Upload extends ColumnTypes {
  readonly projectId: string;
  readonly name: string;
  readonly body: Readable;
  readonly onStall: () => void;
  readonly idempotencyKey: string | null;
}

/** 201 and the dataset; the stored answer again for a repeated key. Nothing stays behind of what is refused. */
export async function createDataset(deps: DatasetDeps, upload: Upload): Promise<OnceAnswer> {
  const spool = await createSpool();
  try {
    const scanned = await scanUpload(deps, upload, spool);
    return await storeUpload(deps.db, upload, spool, scanned);
  } catch (error) {
    throw toProblem(error);
  } finally {
    await spool.close();
  }
}

type Scanned = Awaited<ReturnType<typeof scanCsv>>;

async function scanUpload(
  { limits, bodyTimeoutMs }: DatasetDeps,
  upload: Upload,
  spool: Spool,
): Promise<Scanned> {
  const { categorical, numeric, onStall } = upload;
  const limited = { bytesMax: limits.bytesMax, bodyTimeoutMs, onStall };
  let first = true;
  const open = () => {
    if (!first) return spool.read();
    first = false;
    return spoolUpload(upload.body, spool, limited);
  };
  return scanCsv(open, { categorical, numeric }, limits);
}

async function storeUpload(db: Database, upload: Upload, spool: Spool, { columns, rowCount }: Scanned) {
  const { projectId, name, idempotencyKey, categorical, numeric } = upload;
  const contentSha256 = spool.sha256();
  const request = JSON.stringify([name, categorical, numeric, contentSha256]);
  const route = 'POST /v1/datasets';
  const keyed =
    idempotencyKey === null
      ? null
      : { projectId, key: idempotencyKey, route, bodySha256: sha256Hex(request) };
  const insert = async (tx: DatabaseTransaction): Promise<StoredAnswer> => {
    const id = uuidv7();
    const { byteLength } = spool;
    const dataset = { id, projectId, name, contentSha256, byteLength, rowCount, columns };
    const response = await insertDataset(tx, dataset, spool.read());
    return { status: 201, response, location: `/v1/datasets/${id}` };
  };
  const store = async (tx: DatabaseTransaction): Promise<OnceAnswer> =>
    keyed === null ? { ...(await insert(tx)), replayed: false } : answerOnce(tx, keyed, () => insert(tx));
  return db.$transaction(store, { maxWait: 5_000, timeout: 10 * 60_000 });
}

/** The first rows as they are in the file, numbers as numbers. Throws 404. */
export async function previewDataset(
  db: Database,
  projectId: string,
  id: string,
  rowsMax: number,
): Promise<DatasetPreview> {
  const { columns, rowCount } = await getDataset(db, projectId, id);
  const types = columns.map(({ name, type }) => ({ name, type }));
  return { columns: types, rows: await previewRows(readContent(db, id), types, rowsMax), rowCount };
}

function toProblem(error: unknown): unknown {
  if (error instanceof CsvFlaw) {
    const path = [error.line, error.column].filter((part) => part !== null);
    const errors = [{ pointer: pointerTo(path.length > 0 ? ['rows', ...path] : []), detail: error.detail }];
    return problem('invalid-csv', `${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}.`, {
      errors,
    });
  }
  if (error instanceof UnknownColumns) {
    return problem('invalid-request', 'There is a mistake in the query.', { errors: error.issues });
  }
  return error;
}
