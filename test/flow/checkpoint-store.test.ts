// Large checkpoints: they lie in tables of their own, come and go with their runs' transactions, and are not believed
// when they are not what was stored.
import { randomUUID } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { pino } from 'pino';
import sql, { raw } from 'sql-template-tag';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rowBytes } from '../../src/db/byte-rows.ts';
import { dropParts, findUnusedParts, inRowBytesMax, readPiece } from '../../src/runs/checkpoint-store.ts';
import { claimRun, type Hold, renewLease } from '../../src/runs/lease-store.ts';
import {
  type CheckpointBytes,
  commitEpochs,
  finishRun,
  readModel,
  readState,
} from '../../src/runs/progress-store.ts';
import { deleteRun } from '../../src/runs/store.ts';
import { findWeights, streamWeights } from '../../src/runs/weights-service.ts';
import { readUsableState } from '../../workers/state-store.ts';
import { claimant, eventsOf, insertRun, type RunDatabase, runDatabase, sha256 } from './support/lifecycle.ts';

let at: RunDatabase;
beforeAll(async () => {
  at = await runDatabase(process.env.TEST_DATABASE_URL ?? '');
});
afterAll(() => at.drop());

const log = pino({ level: 'silent' });
const largeBytes = inRowBytesMax + 1_234;

async function claimed(): Promise<Hold> {
  const run = await claimRun(at.sql, await insertRun(at), claimant());
  if (run === null) throw new Error('the run was not queued');
  return run.hold;
}

/** Different for each `n`, and in each part of it. */
function state(n: number, byteLength = largeBytes): CheckpointBytes {
  const bytes = new Uint8Array(byteLength);
  const words = new Uint32Array(bytes.buffer, 0, byteLength >> 2);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + n, 2_654_435_761);
  return { epoch: 0, stepsWithin: n, withinMs: n, bytes };
}

const keep = (hold: Hold, checkpoint: CheckpointBytes) =>
  commitEpochs(at.sql, hold, { epochs: [], checkpoint });
const place = (stepsWithin: number) => ({ epoch: 0, stepsWithin });

async function tableOf(runId: string, stepsWithin: number): Promise<string> {
  const [row] = await at.db.checkpoint.findMany({ where: { runId, stepsWithin } });
  return `"CheckpointPart_${row?.partsId}"`;
}

async function tableCount(): Promise<number> {
  const rows = await at.db.$queryRaw<{ count: number }[]>`
    SELECT count(*)::int AS count FROM pg_class WHERE relkind = 'r' AND relname LIKE 'CheckpointPart\_%'`;
  return rows[0]?.count ?? Number.NaN;
}

describe('a large state', () => {
  it.each([
    ['of whole parts', inRowBytesMax + rowBytes - (inRowBytesMax % rowBytes)],
    ['with a byte over', inRowBytesMax + rowBytes - (inRowBytesMax % rowBytes) + 1],
    ['that is just large', inRowBytesMax + 1],
    ['that is just small', inRowBytesMax],
  ])('%s comes out as it went in', async (_, byteLength) => {
    const hold = await claimed();
    const given = state(1, byteLength);
    expect(await keep(hold, given)).toBe('running');
    const found = await readState(at.sql, hold.runId, place(1));
    expect(found).toMatchObject({ epoch: 0, stepsWithin: 1, withinMs: 1, whole: true });
    expect(sha256(found?.bytes ?? new Uint8Array())).toBe(sha256(given.bytes));
    const { partsId, bytes } = await at.db.checkpoint.findFirstOrThrow({ where: { runId: hold.runId } });
    expect(partsId === null).toBe(byteLength === inRowBytesMax);
    expect(bytes === null).toBe(partsId !== null);
  });

  it('is written to pages that it fills, one part each', async () => {
    const hold = await claimed();
    await keep(hold, state(1));
    const table = await tableOf(hold.runId, 1);
    const [seen] = await at.sql.$queryRaw<object[]>(sql`
      SELECT count(*)::int AS parts, count(DISTINCT (ctid::text::point)[0])::int AS pages,
        (SELECT reltoastrelid::int FROM pg_class WHERE oid = ${table}::regclass) AS toast
      FROM ${raw(table)}`);
    const parts = Math.ceil(largeBytes / rowBytes);
    expect(seen).toEqual({ parts, pages: parts, toast: 0 });
  });

  it('goes when it is outdated, and its table with it', async () => {
    const before = await tableCount();
    const hold = await claimed();
    for (const n of [1, 2, 3, 4]) await keep(hold, state(n));
    expect(await tableCount()).toBe(before + 2);
    expect(await readState(at.sql, hold.runId, place(2))).toBeNull();
    expect(await readState(at.sql, hold.runId, place(3))).toMatchObject({ whole: true });
    expect(await findUnusedParts(at.sql)).toEqual([]);
  });

  it('is not written by a stale hold, and leaves nothing behind', async () => {
    const before = await tableCount();
    const hold = await claimed();
    expect(await keep({ ...hold, fence: hold.fence - 1 }, state(1))).toBe('lost');
    expect(await at.db.checkpoint.count({ where: { runId: hold.runId } })).toBe(0);
    expect(await tableCount()).toBe(before);
  });

  it('keeps nobody from the run while it is written', async () => {
    const hold = await claimed();
    const { kept } = await at.sql.$transaction(async (tx) => {
      // The table that the state's is made like: there it waits.
      await tx.$executeRaw`LOCK TABLE "CheckpointPart" IN ACCESS EXCLUSIVE MODE`;
      const writing = keep(hold, state(1));
      expect(await renewLease(at.sql, hold, 15)).toBe('running');
      return { kept: writing };
    });
    expect(await kept).toBe('running');
  });

  it('whose transaction breaks off is not there, nor is its table', async () => {
    const before = await tableCount();
    const hold = await claimed();
    const cut = at.sql.$transaction(async (tx) => {
      await tx.$executeRawUnsafe('CREATE TABLE "half" (LIKE "CheckpointPart" INCLUDING ALL)');
      await tx.writeRows('"half"', state(1).bytes, () => {
        throw new Error('no more');
      });
    });
    await expect(cut).rejects.toThrow('no more');
    expect(await at.db.$queryRaw`SELECT to_regclass('half')::text AS name`).toEqual([{ name: null }]);
    expect(await tableCount()).toBe(before);
    // The connection is as good as before.
    expect(await keep(hold, state(1))).toBe('running');
  });
});

describe('a large state that was damaged', () => {
  const damages: [string, (table: string) => string][] = [
    [
      'in one bit',
      (table) => `UPDATE ${table} SET bytes = set_bit(bytes, 4321, 1 - get_bit(bytes, 4321)) WHERE index = 7`,
    ],
    ['by the loss of a part', (table) => `DELETE FROM ${table} WHERE index = 7`],
    [
      'by the loss of the last part',
      (table) => `DELETE FROM ${table} WHERE index = (SELECT max(index) FROM ${table})`,
    ],
    [
      'by a doubled part',
      (table) => `INSERT INTO ${table} SELECT 100000, bytes FROM ${table} WHERE index = 7`,
    ],
    [
      'by a part in the place of another',
      (table) => `UPDATE ${table} SET bytes = (SELECT bytes FROM ${table} WHERE index = 8) WHERE index = 7`,
    ],
    [
      'by swapped parts',
      (table) =>
        `UPDATE ${table} AS a SET bytes = b.bytes FROM ${table} AS b WHERE (a.index, b.index) IN ((7, 8), (8, 7))`,
    ],
    [
      'by a longer part',
      (table) =>
        `UPDATE ${table} SET bytes = bytes || '\\x00' WHERE index = (SELECT max(index) FROM ${table})`,
    ],
    ['altogether', (table) => `TRUNCATE ${table}`],
  ];
  it.each(damages)('%s is dropped for the one before it', async (_, damage) => {
    const hold = await claimed();
    for (const n of [1, 2]) await keep(hold, state(n));
    await at.sql.$executeRawUnsafe(damage(await tableOf(hold.runId, 2)));
    expect(await readState(at.sql, hold.runId, place(2))).toMatchObject({ whole: false });
    const usable = await readUsableState(at.sql, hold, log);
    expect(usable?.stepsWithin).toBe(1);
    expect(sha256(usable?.bytes ?? new Uint8Array())).toBe(sha256(state(1).bytes));
    expect((await eventsOf(at, hold.runId)).at(-1)).toMatchObject({ type: 'log' });
    const unused = await findUnusedParts(at.sql);
    expect(unused).toHaveLength(1);
    await dropParts(at.sql, unused);
    expect(await findUnusedParts(at.sql)).toEqual([]);
  });

  it('by the loss of its table is no state any more', async () => {
    const hold = await claimed();
    await keep(hold, state(1));
    await at.sql.$executeRawUnsafe(`DROP TABLE ${await tableOf(hold.runId, 1)}`);
    expect(await readState(at.sql, hold.runId, place(1))).toBeNull();
    expect(await readUsableState(at.sql, hold, log)).toBeNull();
  });
});

describe('a state from before there was a CRC-32', () => {
  it('is held against its SHA-256', async () => {
    const hold = await claimed();
    const bytes = new Uint8Array(state(1, 1_000).bytes);
    const place = { runId: hold.runId, role: 'state', epoch: 1, stepsWithin: 0 } as const;
    await at.db.checkpoint.create({ data: { ...place, bytes, byteLength: 1_000, sha256: sha256(bytes) } });
    expect(await readState(at.sql, hold.runId, place)).toMatchObject({ whole: true });
    await at.db.checkpoint.updateMany({ where: place, data: { bytes: bytes.fill(1, 500, 501) } });
    expect(await readState(at.sql, hold.runId, place)).toMatchObject({ whole: false });
  });
});

describe('the table of a checkpoint', () => {
  it('goes with its run', async () => {
    const hold = await claimed();
    await keep(hold, state(1));
    await finishRun(at.sql, hold, { action: 'succeed', stopReason: 'completed' });
    const { partsId } = await at.db.checkpoint.findFirstOrThrow({ where: { runId: hold.runId } });
    await deleteRun(at.db, at.projectId, hold.runId);
    const unused = await findUnusedParts(at.sql);
    expect(unused).toEqual([partsId]);
    await dropParts(at.sql, unused);
    expect(await at.db.$queryRaw`SELECT to_regclass(${`"CheckpointPart_${partsId}"`})::text AS name`).toEqual(
      [{ name: null }],
    );
  });

  it('stays while somebody reads it, and goes afterwards', async () => {
    const hold = await claimed();
    for (const n of [1, 2]) await keep(hold, state(n));
    const table = await tableOf(hold.runId, 1);
    await at.sql.$transaction(async (tx) => {
      await tx.$executeRawUnsafe(`SELECT 1 FROM ${table} LIMIT 1`);
      expect(await keep(hold, state(3))).toBe('running');
    });
    const unused = await findUnusedParts(at.sql);
    expect(unused.map((partsId) => `"CheckpointPart_${partsId}"`)).toEqual([table]);
    await dropParts(at.sql, unused);
    expect(await findUnusedParts(at.sql)).toEqual([]);
  });
});

describe('the weights', () => {
  it('of a large model come whole and in ranges, under their hash', async () => {
    const hold = await claimed();
    const { bytes } = state(5, 2 * inRowBytesMax + 77);
    const model = { epoch: 0, stepsWithin: 5, withinMs: 0, sha256: sha256(bytes), bytes };
    await finishRun(at.sql, hold, { action: 'succeed', stopReason: 'completed', model });
    const found = await readModel(at.sql, hold.runId);
    expect(found?.sha256).toBe(model.sha256);
    expect(sha256(found?.bytes ?? new Uint8Array())).toBe(model.sha256);
    const file = await findWeights(at.db, at.projectId, hold.runId, 'best');
    expect(file).toMatchObject({ etag: model.sha256, byteLength: bytes.length });
    const read = (start: number, end: number) => buffer(streamWeights(at.db, file, start, end));
    expect(sha256(await read(0, bytes.length))).toBe(model.sha256);
    for (const [start, end] of [
      [0, 1],
      [rowBytes - 1, rowBytes + 1],
      [rowBytes, 2 * rowBytes],
      [bytes.length - 5, bytes.length],
    ] as const) {
      expect(new Uint8Array(await read(start, end))).toEqual(bytes.slice(start, end));
    }
  });

  it('of a large state have a tag of their own, and break off when it is replaced', async () => {
    const hold = await claimed();
    for (const n of [1, 2]) await keep(hold, state(n));
    const file = await findWeights(at.db, at.projectId, hold.runId, 'latest');
    expect(file.etag).toMatch(/^0-2-[0-9a-f]{8}$/);
    for (const n of [3, 4]) await keep(hold, state(n));
    await expect(buffer(streamWeights(at.db, file, 0, 100))).rejects.toThrow('replaced');
    expect(await readPiece(at.db, randomUUID(), 0, 1)).toBeNull();
  });
});
