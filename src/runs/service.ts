// Submitting runs. A run is checked against its dataset before anything is written, written
// together with its first event and its idempotency row, and only then announced.
import { v7 as uuidv7 } from 'uuid';
import { getDatasetShape } from '../datasets/store.ts';
import type { Database, DatabaseTransaction } from '../db/client.ts';
import { canonicalJson } from '../engine/canonical-json.ts';
import { checkSpec, memoryNeed } from '../engine/check.ts';
import { defaultLimits } from '../engine/limits.ts';
import { resolveTask } from '../engine/resolve.ts';
import type { EngineSpec } from '../engine/spec.ts';
import { problem } from '../errors.ts';
import { failpoint } from '../failpoints.ts';
import { sha256Hex } from '../idempotency/sha256.ts';
import {
  answerOnce,
  claimKey,
  type KeyedRequest,
  type OnceAnswer,
  type StoredAnswer,
} from '../idempotency/store.ts';
import { largestWorkerMemory } from '../workers/store.ts';
import { recipeOf } from './chain.ts';
import type { RunRequest } from './schema.ts';
import { insertRun, unknownDataset } from './store.ts';
import type { TicketIssuer } from './tickets.ts';

export interface RunDeps {
  readonly db: Database;
  readonly tickets: TicketIssuer;
}

/** The request with every default filled in. Throws a 422 that names each mistake. */
export async function validateRun(db: Database, projectId: string, request: RunRequest): Promise<RunRequest> {
  return (await checkRun(db, projectId, request)).valid;
}

async function checkRun(
  db: Database,
  projectId: string,
  request: RunRequest,
): Promise<{ readonly valid: RunRequest; readonly contentSha256: string; readonly memoryBytes: number }> {
  const dataset = await getDatasetShape(db, projectId, request.data.dataset);
  if (dataset === null) throw unknownDataset();
  const spec = specOf(request);
  const issues = checkSpec(spec, dataset, defaultLimits);
  if (issues.length > 0) throw invalidSpec(issues);
  const resolved = resolveTask(spec, dataset.columns);
  if ('issues' in resolved) throw invalidSpec(resolved.issues);
  const memoryBytes = memoryNeed(resolved, dataset.rowCount);
  await checkMemory(db, memoryBytes);
  const { loss, metrics } = resolved.spec;
  // Features stay as given: "all the other columns" says more than their names.
  return { valid: { ...request, loss, metrics }, contentSha256: dataset.contentSha256, memoryBytes };
}

/** A run that no worker could hold would wait for ever. One without any worker waits for the first. */
async function checkMemory(db: Database, memoryBytes: number): Promise<void> {
  const largest = await largestWorkerMemory(db);
  if (largest === null || memoryBytes <= largest) return;
  const detail = `training needs about ${memoryBytes} bytes of memory, and the largest worker has ${largest}; use fewer units or channels, a smaller batch or less data, or start a worker with more memory`;
  throw invalidSpec([{ pointer: '#/model/layers', detail }]);
}

/** 201 and the run; the stored answer again for a repeated key. */
export async function createRun(
  { db, tickets }: RunDeps,
  projectId: string,
  request: RunRequest,
  idempotencyKey: string | null,
): Promise<OnceAnswer> {
  const keyed =
    idempotencyKey === null
      ? null
      : {
          projectId,
          key: idempotencyKey,
          route: 'POST /v1/runs',
          bodySha256: sha256Hex(canonicalJson(request)),
        };
  // A repeated request is answered even if it could not be accepted any more.
  const earlier = keyed && (await db.$transaction((tx) => claimKey(tx, keyed)));
  if (earlier) return { ...earlier, replayed: true };
  const { valid, contentSha256, memoryBytes } = await checkRun(db, projectId, request);
  const { name, tags, metadata, ...spec } = valid;
  const id = uuidv7();
  const hashes = {
    specSha256: sha256Hex(canonicalJson(spec)),
    recipeSha256: recipeOf(spec, contentSha256),
  };
  const run = { id, projectId, name, tags, metadata, spec, memoryBytes, ...hashes };
  const insert = async (tx: DatabaseTransaction): Promise<StoredAnswer> => ({
    status: 201,
    response: await insertRun(tx, run),
    location: `/v1/runs/${id}`,
  });
  const once = async (tx: DatabaseTransaction, request: KeyedRequest) => {
    const answered = await answerOnce(tx, request, () => insert(tx));
    failpoint('submit.inserted');
    return answered;
  };
  const stored = keyed && (await db.$transaction((tx) => once(tx, keyed)));
  if (stored?.replayed) return stored;
  const answer = stored ?? { ...(await insert(db)), replayed: false };
  failpoint('submit.committed');
  // The run is there; that its ticket may be late is nothing the client has to wait for.
  tickets.issue({ runId: id, fence: 0 });
  return answer;
}

/** The engine's part of a request. */
function specOf(request: RunRequest): EngineSpec {
  const { name: _name, tags: _tags, metadata: _metadata, ...spec } = request;
  return spec;
}

function invalidSpec(errors: readonly { pointer: string; detail: string }[]) {
  const count = errors.length === 1 ? 'There is a mistake' : `There are ${errors.length} mistakes`;
  return problem('invalid-spec', `${count} in the spec.`, { errors });
}
