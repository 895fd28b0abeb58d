// Asking for a verification: of an ended run, over epochs that it has. A worker does the rest.
import { v7 as uuidv7 } from 'uuid';
import type { DatabaseTransaction } from '../db/client.ts';
import { canonicalJson } from '../engine/canonical-json.ts';
import { problem } from '../errors.ts';
import { sha256Hex } from '../idempotency/sha256.ts';
import { answerOnce, type OnceAnswer, type StoredAnswer } from '../idempotency/store.ts';
import type { RunDeps } from './service.ts';
import { getRunProgress } from './store.ts';
import type { VerificationRequest } from './verification-schema.ts';
import { insertVerification } from './verification-store.ts';

/** 202 and the verification; the stored answer again for a repeated key. Throws 404, 409 and 422. */
export async function requestVerification(
  { db, tickets }: RunDeps,
  projectId: string,
  runId: string,
  request: VerificationRequest,
  idempotencyKey: string | null,
): Promise<OnceAnswer> {
  const id = uuidv7();
  const work = async (tx: DatabaseTransaction): Promise<StoredAnswer> => {
    const range = await rangeOf(tx, projectId, runId, request);
    const response = await insertVerification(tx, { id, runId, ...range });
    return { status: 202, response, location: `/v1/runs/${runId}/verifications/${id}` };
  };
  const answer = await db.$transaction(async (tx) => {
    if (idempotencyKey === null) return { ...(await work(tx)), replayed: false };
    const bodySha256 = sha256Hex(canonicalJson(request));
    const keyed = { projectId, key: idempotencyKey, route: `POST /v1/runs/${runId}/verify`, bodySha256 };
    return answerOnce(tx, keyed, () => work(tx));
  });
  // A ticket's id is looked for among the runs, and then among the verifications.
  if (!answer.replayed) tickets.issue({ runId: id, fence: 0 });
  return answer;
}

async function rangeOf(
  tx: DatabaseTransaction,
  projectId: string,
  runId: string,
  request: VerificationRequest,
): Promise<{ fromEpoch: number; toEpoch: number }> {
  const { status, ended, epoch } = await getRunProgress(tx, projectId, runId);
  if (!ended) {
    throw problem('illegal-transition', `The run is ${status}; only what has ended can be verified.`);
  }
  if (epoch === 0) {
    throw problem(
      'illegal-transition',
      `The run has ${status} without an epoch; there is nothing to verify.`,
    );
  }
  const { fromEpoch = 1, toEpoch = epoch } = request;
  const errors = [
    ...(fromEpoch > epoch ? [{ pointer: '#/fromEpoch', detail: `the run has ${epoch} epochs` }] : []),
    ...(toEpoch > epoch ? [{ pointer: '#/toEpoch', detail: `the run has ${epoch} epochs` }] : []),
  ];
  if (errors.length === 0 && fromEpoch > toEpoch) {
    errors.push({ pointer: '#/toEpoch', detail: `must be at least fromEpoch, which is ${fromEpoch}` });
  }
  if (errors.length > 0) {
    throw problem('invalid-request', 'The run has no such range of epochs.', { errors });
  }
  return { fromEpoch, toEpoch };
}
