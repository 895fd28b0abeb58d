// Everything that a run's receipt names, as it was at one moment.
import type { Database, DatabaseTransaction } from '../db/client.ts';
import type { Prisma } from '../db/generated/client.ts';
import type { EngineSpec } from '../engine/spec.ts';
import { notFound } from '../errors.ts';
import type { RunManifest } from './manifest-schema.ts';

const columns = {
  id: true,
  status: true,
  spec: true,
  recipeSha256: true,
  chainSha256: true,
  weightsSha256: true,
  dataset: { select: { id: true, contentSha256: true, byteLength: true, rowCount: true } },
  checkpoints: { where: { role: 'model' }, select: { sha256: true } },
} as const satisfies Prisma.RunSelect;

/** Throws 404 for anything outside the project. */
export async function getManifest(db: Database, projectId: string, id: string): Promise<RunManifest> {
  // One snapshot: a run may train on meanwhile.
  return db.$transaction((tx) => readManifest(tx, projectId, id), { isolationLevel: 'RepeatableRead' });
}

async function readManifest(tx: DatabaseTransaction, projectId: string, id: string): Promise<RunManifest> {
  const run = await tx.run.findFirst({ where: { id, projectId }, select: columns });
  if (run === null) throw notFound('run');
  const spec = run.spec as unknown as EngineSpec;
  const { recipeSha256, chainSha256, weightsSha256, dataset, checkpoints } = run;
  return {
    runId: run.id,
    status: run.status,
    recipeSha256,
    spec,
    dataset: { ...dataset, byteLength: Number(dataset.byteLength) },
    seed: spec.seed,
    attempts: await readAttempts(tx, id),
    chainSha256,
    weightsSha256,
    modelSha256: checkpoints[0]?.sha256 ?? null,
    epochs: await readEpochs(tx, id),
  };
}

async function readAttempts(tx: DatabaseTransaction, runId: string): Promise<RunManifest['attempts']> {
  const attempts = await tx.runAttempt.findMany({
    where: { runId },
    orderBy: { fence: 'asc' },
    omit: { runId: true },
  });
  return attempts.map((attempt) => ({ ...attempt, startedAt: attempt.startedAt.toISOString() }));
}

/** In columns, as they are sent: a run has up to a million epochs. */
async function readEpochs(tx: DatabaseTransaction, runId: string): Promise<RunManifest['epochs']> {
  const [row] = await tx.$queryRaw<RunManifest['epochs'][]>`
    SELECT array_agg("epoch" ORDER BY "epoch") AS "epochs",
      array_agg("weightsSha256" ORDER BY "epoch") AS "weightsSha256",
      array_agg("chainSha256" ORDER BY "epoch") AS "chainSha256"
    FROM "Epoch" WHERE "runId" = ${runId}::uuid HAVING count(*) > 0`;
  return row ?? { epochs: [], weightsSha256: [], chainSha256: [] };
}
