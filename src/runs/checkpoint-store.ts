// Where the bytes of a checkpoint lie, and how damage to them is noticed. Small ones lie in the checkpoint's row; a
// large one in a table of its own: rows of megabytes that are written and deleted every few seconds cost a shared table
// several times as much, in dead rows, their vacuum, and page images in the log. A table whose checkpoint is gone is
// dropped by whoever removed it, or else by the reconciler.
import { randomUUID } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { rowBytes } from '../db/byte-rows.ts';
import type { DatabaseTransaction } from '../db/client.ts';
import type { ByteTransaction, SqlDatabase, SqlPool } from '../db/sql.ts';
import { sha256Hex } from '../idempotency/sha256.ts';

/** Making and dropping a table costs about as much as two megabytes do; and every kept state counts as a table. */
export const inRowBytesMax = 4 * 1024 ** 2;

/** How long so many bytes may be on their way: a slow disk takes five megabytes a second. */
export function transferMsMax(byteLength: number): number {
  return 60_000 + byteLength / 5_000;
}

/** What a checkpoint's row says of its bytes. */
export interface KeptBytes {
  readonly byteLength: number | bigint;
  /**
   * In order. It is there to notice damage, not forgery: bits that turn within 32 of each other are noticed for certain,
   * as is a part that is lost or doubled, by the length; any other damage but for one time in four billion.
   */
  readonly crc32: string | null;
  /** Null: in the table. */
  readonly bytes: Uint8Array<ArrayBuffer> | null;
  /** Names the table; null: in the row. */
  readonly partsId: string | null;
}

export function keepInRow(bytes: Uint8Array): KeptBytes {
  return {
    byteLength: bytes.byteLength,
    crc32: hexadecimal(crc32(bytes)),
    bytes: unshared(bytes),
    partsId: null,
  };
}

/** Not in memory that another thread may write to. */
function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = bytes;
  return buffer instanceof ArrayBuffer ? new Uint8Array(buffer, byteOffset, byteLength) : bytes.slice();
}

/** The table is there once the transaction is committed. */
export async function keepInTable(tx: ByteTransaction, bytes: Uint8Array): Promise<KeptBytes> {
  const partsId = randomUUID();
  const table = tableOf(partsId);
  // Written once and dropped as a whole: a vacuum would only read it.
  await tx.$executeRawUnsafe(
    `CREATE TABLE ${table} (LIKE "CheckpointPart" INCLUDING ALL) WITH (autovacuum_enabled = off)`,
  );
  let sum = 0;
  await tx.writeRows(table, bytes, (piece) => {
    sum = crc32(piece, sum);
  });
  return { byteLength: bytes.byteLength, crc32: hexadecimal(sum), bytes: null, partsId };
}

/** Null: they are there no more. `whole`: they have the length and the hash that were stored with them. */
export async function readKept(
  db: SqlPool,
  kept: KeptBytes & { readonly sha256: string | null },
): Promise<{ bytes: Uint8Array<ArrayBuffer>; whole: boolean } | null> {
  const { byteLength, bytes, partsId } = kept;
  if (partsId === null) {
    return bytes === null ? null : { bytes, whole: isWhole(kept, bytes) };
  }
  const read = new Uint8Array(Number(byteLength));
  try {
    const complete = await db.$transaction((tx) => tx.readRows(tableOf(partsId), read), {
      timeout: transferMsMax(read.length),
    });
    return { bytes: read, whole: complete && isWhole(kept, read) };
  } catch (error) {
    if (isMissingTable(error)) return null;
    throw error;
  }
}

function isWhole(stored: { crc32: string | null; sha256: string | null }, bytes: Uint8Array): boolean {
  return stored.crc32 === null
    ? sha256Hex(bytes) === stored.sha256
    : hexadecimal(crc32(bytes)) === stored.crc32;
}

/** Bytes [start, end) of a table, unverified; null when it is there no more. */
export async function readPiece(
  db: DatabaseTransaction,
  partsId: string,
  start: number,
  end: number,
): Promise<Uint8Array | null> {
  const first = Math.floor(start / rowBytes);
  const next = Math.ceil(end / rowBytes);
  try {
    const rows = await db.$queryRawUnsafe<{ bytes: Uint8Array }[]>(
      `SELECT "bytes" FROM ${tableOf(partsId)} WHERE "index" >= $1::int AND "index" < $2::int ORDER BY "index"`,
      first,
      next,
    );
    const offset = first * rowBytes;
    return Buffer.concat(rows.map(({ bytes }) => bytes)).subarray(start - offset, end - offset);
  } catch (error) {
    if (isMissingTable(error)) return null;
    throw error;
  }
}

/** Once their checkpoints are gone. What somebody reads at the moment, a backup say, is left to the reconciler. */
export async function dropParts(db: SqlDatabase, partsIds: readonly string[]): Promise<void> {
  for (const partsId of partsIds) {
    const dropped = db.$transaction(async (tx) => {
      await tx.$executeRawUnsafe(`SET LOCAL lock_timeout = '${lockMsMax}ms'`);
      await dropTable(tx, partsId);
    });
    await dropped.catch(() => undefined);
  }
}

/** Within the transaction that made it. */
export async function dropTable(
  tx: Pick<ByteTransaction, '$executeRawUnsafe'>,
  partsId: string,
): Promise<void> {
  await tx.$executeRawUnsafe(`DROP TABLE IF EXISTS ${tableOf(partsId)}`);
}

const lockMsMax = 200;

/** Of checkpoints that are gone. A table and its checkpoint appear together, and no name is given twice. */
export async function findUnusedParts(db: SqlDatabase): Promise<string[]> {
  const rows = await db.$queryRaw<{ partsId: string }[]>`
    WITH parts AS MATERIALIZED (
      SELECT substr(relname::text, length(${tablePrefix}) + 1) AS id FROM pg_class
      WHERE relkind = 'r' AND relname::text ~ ${`^${tablePrefix}[0-9a-f-]{36}$`}
        AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
    )
    SELECT id AS "partsId" FROM parts
    WHERE NOT EXISTS (SELECT FROM "Checkpoint" WHERE "partsId" = parts.id::uuid)`;
  return rows.map(({ partsId }) => partsId);
}

const tablePrefix = 'CheckpointPart_';

/** Its id comes from here, or from a column that holds nothing but UUIDs. */
function tableOf(partsId: string): string {
  return `"${tablePrefix}${partsId}"`;
}

function hexadecimal(sum: number): string {
  return sum.toString(16).padStart(8, '0');
}

const undefinedTable = '42P01';

/** As pg says it, or Prisma. */
function isMissingTable(error: unknown): boolean {
  return (
    error instanceof Error && (codeOf(error) === undefinedTable || error.message.includes(undefinedTable))
  );
}

function codeOf(error: Error): unknown {
  return 'code' in error ? error.code : undefined;
}
