// Compares what the client was told with what Postgres holds, by its own SQL and with nothing of the service. Every
// line it answers with is one broken promise.
import type { Acknowledged, Expectation } from './client.ts';
import type { Query } from './database.ts';
import { epochsOf } from './shapes.ts';
import type { Undisturbed } from './undisturbed.ts';
import { until } from './until.ts';

export interface CheckedWorld {
  readonly query: Query;
  readonly acknowledged: readonly Acknowledged[];
  readonly undisturbed: Undisturbed;
}

interface RunRow {
  readonly id: string;
  readonly status: string;
  readonly stopReason: string | null;
  readonly epoch: number;
  readonly weightsSha256: string | null;
  readonly eventSequence: number;
}

const terminal = ['succeeded', 'failed', 'cancelled'];

/** Waits until every acknowledged run has ended, or the time is over. Answers with the ones that have not. */
export async function settle({ query, acknowledged }: CheckedWorld, limitMs: number): Promise<string[]> {
  const ids = acknowledged.map(({ runId }) => runId);
  const open = () =>
    query<{ id: string; status: string; epoch: number }>(
      'SELECT id, status, epoch FROM "Run" WHERE id = ANY($1) AND status::text <> ALL($2)',
      [ids, terminal],
    );
  const ended = await until(async () => (await open()).length === 0, 'every run to end', limitMs).catch(
    () => false,
  );
  if (ended) return [];
  return (await open()).map(
    ({ id, status, epoch }) => `run ${id} has not ended: it is ${status} after epoch ${epoch}`,
  );
}

/** After `settle`. */
export async function check(world: CheckedWorld): Promise<string[]> {
  const { query, acknowledged } = world;
  const rows = await query<RunRow>(
    'SELECT id, status, "stopReason", epoch, "weightsSha256", "eventSequence" FROM "Run"',
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  const known = new Set(acknowledged.map(({ runId }) => runId));
  const orphans = rows.filter(({ id }) => !known.has(id)).map(({ id }) => `nobody was told of run ${id}`);
  const perRun: string[] = [];
  for (const told of acknowledged) {
    const row = byId.get(told.runId);
    const flaws = row === undefined ? ['it is gone'] : await flawsOf(world, told, row);
    perRun.push(...flaws.map((flaw) => `run ${told.runId} (${told.shape} ${told.seed}): ${flaw}`));
  }
  return [...orphans, ...perRun, ...(await leftEpochs(query)), ...(await auditFlaws(query))];
}

async function flawsOf(
  { query, undisturbed }: CheckedWorld,
  told: Acknowledged,
  row: RunRow,
): Promise<string[]> {
  const reference = undisturbed(told.shape, told.seed);
  const epochs = await query<{ epoch: number; weightsSha256: string }>(
    'SELECT epoch, "weightsSha256" FROM "Epoch" WHERE "runId" = $1 ORDER BY epoch',
    [row.id],
  );
  const events = await query<{ sequence: number; type: string; epoch: number | null }>(
    `SELECT sequence, type, NULL::int AS epoch FROM "RunEvent" WHERE "runId" = $1
     UNION ALL SELECT sequence, 'epoch', epoch FROM "Epoch" WHERE "runId" = $1 ORDER BY sequence, epoch`,
    [row.id],
  );
  const flaws: string[] = [];
  const expect = (holds: boolean, flaw: string) => {
    if (!holds) flaws.push(flaw);
  };
  const counted = (numbers: readonly number[], last: number) =>
    numbers.length === last && numbers.every((number, i) => number === i + 1);

  expect(endsAs(row, told.expectation), `ended ${row.status} (${row.stopReason})`);
  expect(
    row.status !== 'succeeded' || row.epoch === epochsOf(told.shape),
    `succeeded after epoch ${row.epoch}`,
  );
  expect(
    counted(
      epochs.map(({ epoch }) => epoch),
      row.epoch,
    ),
    `has not the epochs 1 to ${row.epoch} once each`,
  );
  expect(
    counted(
      events.map(({ sequence }) => sequence),
      row.eventSequence,
    ),
    `has not the events 1 to ${row.eventSequence} once each`,
  );
  const toldEpochs = events.filter(({ type }) => type === 'epoch').map(({ epoch }) => epoch ?? 0);
  expect(counted(toldEpochs, row.epoch), 'did not tell each of its epochs once and in order');
  const done = events.filter(({ type }) => type === 'done').length;
  expect(done === (terminal.includes(row.status) ? 1 : 0), `has ${done} done events`);
  expect(done === 0 || events.at(-1)?.type === 'done', 'has events after its end');
  if (row.status === 'succeeded') {
    expect(row.weightsSha256 === reference.weightsSha256, 'has other weights than undisturbed');
  }
  const differing = epochs.find(({ epoch, weightsSha256 }) => reference.epochs[epoch - 1] !== weightsSha256);
  expect(differing === undefined, `has other weights than undisturbed after epoch ${differing?.epoch}`);
  return flaws;
}

/** No foreign key sees to it that they go with their run. */
async function leftEpochs(query: Query): Promise<string[]> {
  const left = await query<{ runId: string; count: number }>(
    `SELECT "runId", count(*)::int FROM "Epoch"
     WHERE NOT EXISTS (SELECT FROM "Run" WHERE id = "runId") GROUP BY "runId"`,
  );
  return left.map(({ runId, count }) => `${count} epochs are left of run ${runId}, which is gone`);
}

function endsAs({ status, stopReason }: RunRow, expectation: Expectation): boolean {
  if (expectation === 'same') return status === 'succeeded';
  if (expectation === 'any') return terminal.includes(status);
  return status === 'failed' && stopReason === expectation.failed;
}

const legal = [
  'queued>running queued>cancelled queued>paused',
  'running>succeeded running>failed running>queued running>cancelling running>pausing',
  'pausing>succeeded pausing>failed pausing>paused pausing>cancelling pausing>running pausing>queued',
  'paused>queued paused>cancelled cancelling>cancelled',
].flatMap((line) => line.split(' '));

/** What the database noted down while it happened. */
async function auditFlaws(query: Query): Promise<string[]> {
  const found = await query<{ flaw: string }>(
    `SELECT format('run %s: fence %s became %s', run, "oldFence", "newFence") AS flaw FROM chaos.change
       WHERE "newFence" < "oldFence" OR ("newFence" > "oldFence") <> ("oldStatus" = 'queued' AND "newStatus" = 'running')
     UNION ALL
     SELECT format('run %s went from %s to %s', run, "oldStatus", "newStatus") FROM chaos.change
       WHERE "oldStatus" <> "newStatus" AND "oldStatus" || '>' || "newStatus" <> ALL($1)
     UNION ALL
     SELECT format('run %s: the number of stored epochs fell from %s to %s', run, "oldEpoch", "newEpoch")
       FROM chaos.change WHERE "newEpoch" < "oldEpoch"
     UNION ALL
     SELECT format('run %s: a torn checkpoint of epoch %s was stored', run, epoch) FROM chaos.write WHERE NOT whole
     UNION ALL
     SELECT format('run %s: %s wrote %s %s under fence %s, which is of %s', run, writer, kind, epoch, fence, claimer)
       FROM chaos.write JOIN (
         SELECT run, "newFence" AS fence, writer AS claimer FROM chaos.change WHERE "newFence" > "oldFence"
       ) AS claim USING (run, fence)
       WHERE writer <> claimer
     UNION ALL
     SELECT format('run %s: two claims raised the fence to %s', run, "newFence") FROM chaos.change
       WHERE "newFence" > "oldFence" GROUP BY run, "newFence" HAVING count(*) > 1`,
    [legal],
  );
  return found.map(({ flaw }) => flaw);
}
