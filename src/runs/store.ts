// Runs as the HTTP side reads and writes them. Status changes are control-store's and lease-store's.
import sql from 'sql-template-tag';
import { type Database, type DatabaseTransaction, plannedOnce } from '../db/client.ts';
import { Prisma } from '../db/generated/client.ts';
import type { EngineSpec } from '../engine/spec.ts';
import { notFound, problem } from '../errors.ts';
import { decodeCursor } from '../http/cursor.ts';
import { rememberDeletion, wasDeleted } from '../idempotency/store.ts';
import { readPiece } from './checkpoint-store.ts';
import { type EventRow, eventsAfter, toEvent } from './events-store.ts';
import type { ListQuery, Run, RunEvent, RunListItem } from './schema.ts';
import { isTerminal, type RunStatus, terminalStatuses } from './status.ts';

/** A list row: everything but the spec. */
const listColumns = {
  id: true,
  name: true,
  tags: true,
  metadata: true,
  status: true,
  stopReason: true,
  failure: true,
  restarts: true,
  epoch: true,
  epochsPlanned: true,
  bestEpoch: true,
  results: true,
  weightsSha256: true,
  createdAt: true,
  startedAt: true,
  finishedAt: true,
} as const satisfies Prisma.RunSelect;

const runColumns = { ...listColumns, spec: true } as const satisfies Prisma.RunSelect;

type ListRow = Prisma.RunGetPayload<{ select: typeof listColumns }>;
type RunRow = Prisma.RunGetPayload<{ select: typeof runColumns }>;

// The JSON columns are written by this service alone, from values of these very types.
export function toListItem({ epochsPlanned, ...row }: ListRow): RunListItem {
  return {
    ...row,
    metadata: row.metadata as RunListItem['metadata'],
    failure: row.failure as RunListItem['failure'],
    results: row.results as RunListItem['results'],
    epochs: epochsPlanned,
    createdAt: row.createdAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    finishedAt: row.finishedAt?.toISOString() ?? null,
  };
}

function toRun({ spec, ...row }: RunRow): Run {
  return { ...toListItem(row), spec: spec as unknown as EngineSpec };
}

export interface NewRun {
  readonly id: string;
  readonly projectId: string;
  readonly name: string;
  readonly tags: string[];
  readonly metadata: Record<string, string>;
  readonly spec: EngineSpec;
  readonly specSha256: string;
  readonly recipeSha256: string;
  readonly memoryBytes: number;
}

/** The queued run with its first event. Throws 422 when the dataset was deleted since the spec was checked. */
export async function insertRun(tx: DatabaseTransaction, run: NewRun): Promise<Run> {
  const { id, projectId, name, tags, metadata, spec, specSha256, recipeSha256, memoryBytes } = run;
  const [row] = await tx.$queryRaw<RunRow[]>`
    WITH dataset AS (
      SELECT "id" FROM "Dataset"
      WHERE "id" = ${spec.data.dataset}::uuid AND "projectId" = ${projectId}::uuid FOR KEY SHARE
    ), run AS (
      INSERT INTO "Run" ("id", "projectId", "datasetId", "name", "tags", "metadata", "spec", "specSha256",
        "recipeSha256", "chainSha256", "memoryBytes", "epochsPlanned", "eventSequence")
      SELECT ${id}::uuid, ${projectId}::uuid, dataset."id", ${name}, ${tags}::text[],
        ${JSON.stringify(metadata)}::jsonb, ${JSON.stringify(spec)}::jsonb, ${specSha256},
        ${recipeSha256}, ${recipeSha256}, ${memoryBytes}::bigint, ${spec.training.epochs}::int, 1
      FROM dataset RETURNING *
    ), event AS (
      INSERT INTO "RunEvent" ("runId", "sequence", "type", "data")
      SELECT "id", "eventSequence", 'status', jsonb_build_object('status', "status") FROM run
    )
    SELECT ${Prisma.raw(columnList(runColumns))} FROM run`;
  if (row === undefined) throw unknownDataset();
  return toRun(row);
}

const columnList = (columns: object): string =>
  Object.keys(columns)
    .map((name) => `"${name}"`)
    .join(', ');

export function unknownDataset() {
  const errors = [{ pointer: '#/data/dataset', detail: 'there is no such dataset' }];
  return problem('invalid-spec', 'There is a mistake in the spec.', { errors });
}

/** Throws 404 for anything outside the project. */
export async function getRun(db: DatabaseTransaction, projectId: string, id: string): Promise<Run> {
  const row = await db.run.findFirst({ where: { id, projectId }, select: runColumns });
  if (row === null) throw notFound('run');
  return toRun(row);
}

/** The run's place in its life, for routes that need no more. Throws 404. */
export async function getRunProgress(db: DatabaseTransaction, projectId: string, id: string) {
  const select = { name: true, status: true, epoch: true, eventSequence: true } as const;
  const row = await db.run.findFirst({ where: { id, projectId }, select });
  if (row === null) throw notFound('run');
  return { ...row, ended: isTerminal(row.status) };
}

/** At most `limit + 1` rows: one more than the page where there is a next one. */
export async function listRuns(
  db: DatabaseTransaction,
  projectId: string,
  query: ListQuery,
): Promise<ListRow[]> {
  const { limit, cursor, status, name, tag, metadata, sort } = query;
  const [beyond, direction] = sort === 'created' ? ['>', 'ASC'] : ['<', 'DESC'];
  const conditions = [Prisma.sql`"projectId" = ${projectId}::uuid`];
  if (status !== undefined) conditions.push(Prisma.sql`"status" = ${status}::"RunStatus"`);
  if (name !== undefined) conditions.push(Prisma.sql`"name" = ${name}`);
  if (tag !== undefined) conditions.push(Prisma.sql`"tags" @> ARRAY[${tag}]::text[]`);
  if (metadata !== undefined) {
    const [key, value] = splitAtColon(metadata);
    conditions.push(Prisma.sql`"metadata" @> ${JSON.stringify({ [key]: value })}::jsonb`);
  }
  if (cursor !== undefined) {
    const { createdAt, id } = decodeCursor(cursor);
    // One comparison of rows, which an index answers; two comparisons with an OR would read all that lies before.
    conditions.push(
      Prisma.sql`("createdAt", "id") ${Prisma.raw(beyond)} (${createdAt}::timestamptz, ${id}::uuid)`,
    );
  }
  return db.$queryRaw<ListRow[]>`
    SELECT ${Prisma.raw(columnList(listColumns))} FROM "Run" WHERE ${Prisma.join(conditions, ' AND ')}
    ORDER BY "createdAt" ${Prisma.raw(direction)}, "id" ${Prisma.raw(direction)} LIMIT ${limit + 1}::int`;
}

function splitAtColon(text: string): [string, string] {
  const colon = text.indexOf(':');
  return [text.slice(0, colon), text.slice(colon + 1)];
}

/** Deleting what was deleted within the last day is answered like the first time. Throws 404 and 409. */
export async function deleteRun(db: Database, projectId: string, id: string): Promise<void> {
  await db.$transaction(async (tx) => {
    const { count } = await tx.run.deleteMany({
      where: { id, projectId, status: { in: [...terminalStatuses] } },
    });
    if (count > 0) return rememberDeletion(tx, projectId, 'run', id);
    if (await wasDeleted(tx, projectId, 'run', id)) return;
    const { status } = await getRunProgress(tx, projectId, id);
    throw problem(
      'illegal-transition',
      `The run is ${status}; cancel it and wait for its end before deleting it.`,
    );
  });
}

/** Events after a sequence number, in order. */
export async function listEvents(
  db: DatabaseTransaction,
  runId: string,
  after: number,
  count: number,
): Promise<RunEvent[]> {
  const rows = await db.$queryRaw<EventRow[]>(sql`${plannedOnce}
    SELECT event.* FROM "Run" AS run, ${eventsAfter(after, count)} AS event
    WHERE run."id" = ${runId}::uuid ORDER BY event."sequence"`);
  return rows.map(toEvent);
}

export interface News {
  readonly ended: boolean;
  readonly events: readonly RunEvent[];
}

/**
 * What happened after a sequence number, `count` events at most, and whether the run had ended by the last of them; of
 * one moment, and in one query: every reader of a stream asks it at each event. Throws 404.
 */
export async function readNews(
  db: DatabaseTransaction,
  { projectId, id }: { readonly projectId: string; readonly id: string },
  after: number,
  count: number,
): Promise<News> {
  const rows = await db.$queryRaw<(NewsRow | NoNewsRow)[]>(sql`${plannedOnce}
    SELECT run."status", event.* FROM "Run" AS run LEFT JOIN ${eventsAfter(after, count)} AS event ON true
    WHERE run."id" = ${id}::uuid AND run."projectId" = ${projectId}::uuid ORDER BY event."sequence"`);
  const [first] = rows;
  if (first === undefined) throw notFound('run');
  const events = rows.flatMap(({ status, ...row }) => (row.sequence === null ? [] : [toEvent(row)]));
  return { ended: isTerminal(first.status), events };
}

type NewsRow = EventRow & { readonly status: RunStatus };

/** The run alone. */
type NoNewsRow = { readonly [column in keyof EventRow]: null } & { readonly status: RunStatus };

export interface EpochRow {
  readonly epoch: number;
  readonly metrics: Readonly<Record<string, number | null>>;
  readonly diverged: boolean;
}

export async function listEpochs(
  db: DatabaseTransaction,
  runId: string,
  fromEpoch: number,
): Promise<EpochRow[]> {
  const rows = await db.epoch.findMany({
    where: { runId, epoch: { gte: fromEpoch } },
    orderBy: { epoch: 'asc' },
    select: { epoch: true, metrics: true, diverged: true },
  });
  return rows.map((row) => ({ ...row, metrics: row.metrics as EpochRow['metrics'] }));
}

/** Which of a run's checkpoints: the model, the newest training state, or the one after so many epochs. */
export type CheckpointChoice = 'best' | 'latest' | number;

export interface CheckpointInfo {
  readonly runId: string;
  readonly role: 'state' | 'model';
  readonly epoch: number;
  readonly stepsWithin: number;
  readonly sha256: string | null;
  readonly crc32: string | null;
  readonly byteLength: number;
  readonly partsId: string | null;
}

/** Without the bytes. */
export async function findCheckpoint(
  db: DatabaseTransaction,
  runId: string,
  choice: CheckpointChoice,
): Promise<CheckpointInfo | null> {
  const found = await db.checkpoint.findFirst({
    where: {
      runId,
      role: choice === 'best' ? 'model' : 'state',
      ...(typeof choice === 'number' && { epoch: choice, stepsWithin: 0 }),
    },
    orderBy: [{ epoch: 'desc' }, { stepsWithin: 'desc' }],
    select: checkpointColumns,
  });
  return found === null ? null : { ...found, byteLength: Number(found.byteLength) };
}

const checkpointColumns = {
  runId: true,
  role: true,
  epoch: true,
  stepsWithin: true,
  sha256: true,
  crc32: true,
  byteLength: true,
  partsId: true,
} as const satisfies Prisma.CheckpointSelect;

/** A piece of a checkpoint's bytes, or null when it has been replaced or deleted since it was found. */
export async function readCheckpoint(
  db: DatabaseTransaction,
  { runId, role, epoch, stepsWithin, sha256, crc32, partsId }: CheckpointInfo,
  start: number,
  end: number,
): Promise<Uint8Array | null> {
  if (partsId !== null) return readPiece(db, partsId, start, end);
  const rows = await db.$queryRaw<{ piece: Uint8Array }[]>`
    SELECT substring(bytes FROM ${start + 1}::int FOR ${end - start}::int) AS piece FROM "Checkpoint"
    WHERE "runId" = ${runId}::uuid AND role = ${role}::"CheckpointRole" AND "epoch" = ${epoch}::int
      AND "stepsWithin" = ${stepsWithin}::int AND "partsId" IS NULL
      AND "sha256" IS NOT DISTINCT FROM ${sha256} AND "crc32" IS NOT DISTINCT FROM ${crc32}`;
  return rows[0]?.piece ?? null;
}
