// Answers kept for a day under the client's Idempotency-Key, written in the same transaction as what they
// announce: either both are there or neither is. Also remembers deletions, so that a repeated one is
// answered like the first.
import type { DatabaseTransaction } from '../db/client.ts';
import type { Prisma } from '../db/generated/client.ts';
import { problem } from '../errors.ts';

export interface KeyedRequest {
  readonly projectId: string;
  readonly key: string;
  /** Method and path pattern: one key serves one sort of request. */
  readonly route: string;
  readonly bodySha256: string;
}

export interface StoredAnswer {
  readonly status: number;
  readonly response: unknown;
  readonly location: string | null;
}

export type OnceAnswer = StoredAnswer & { readonly replayed: boolean };

const keptHours = 24;

/**
 * The stored answer of an earlier request, or null; `answerOnce` goes on from there. Throws 409 while another
 * transaction holds the key, 422 when it was used for something else.
 */
export async function claimKey(tx: DatabaseTransaction, request: KeyedRequest): Promise<StoredAnswer | null> {
  const { projectId, key, route, bodySha256 } = request;
  const [lock] = await tx.$queryRaw<{ free: boolean }[]>`
    SELECT pg_try_advisory_xact_lock(hashtextextended(${`${projectId} ${key}`}, 24)) AS free`;
  if (lock?.free !== true) {
    throw problem('idempotency-in-flight', 'Try again when the first request has been answered.', {
      headers: { 'retry-after': '1' },
    });
  }
  await tx.$executeRaw`
    DELETE FROM "IdempotencyKey" WHERE "createdAt" < now() - make_interval(hours => ${keptHours}::int)`;
  const row = await tx.idempotencyKey.findUnique({ where: { projectId_key: { projectId, key } } });
  if (row === null) return null;
  if (row.route !== route || row.bodySha256 !== bodySha256 || row.status === null) {
    throw problem('idempotency-mismatch', 'Use a fresh key for another request.');
  }
  return { status: row.status, response: row.response, location: row.location };
}

async function storeAnswer(
  tx: DatabaseTransaction,
  request: KeyedRequest,
  answer: StoredAnswer,
): Promise<void> {
  await tx.idempotencyKey.create({
    data: {
      ...request,
      status: answer.status,
      response: answer.response as Prisma.InputJsonValue,
      location: answer.location,
    },
  });
}

/** What `work` answers, or what it answered under the same key before. Throws like `claimKey`. */
export async function answerOnce(
  tx: DatabaseTransaction,
  keyed: KeyedRequest,
  work: () => Promise<StoredAnswer>,
): Promise<OnceAnswer> {
  const stored = await claimKey(tx, keyed);
  if (stored) return { ...stored, replayed: true };
  const answer = await work();
  await storeAnswer(tx, keyed, answer);
  return { ...answer, replayed: false };
}

type Noun = 'dataset' | 'run';

/** No client can send a key with a space in front. */
function deletionKey(noun: Noun, id: string): string {
  return ` deleted ${noun} ${id}`;
}

export async function rememberDeletion(
  tx: DatabaseTransaction,
  projectId: string,
  noun: Noun,
  id: string,
): Promise<void> {
  const data = {
    projectId,
    key: deletionKey(noun, id),
    route: `DELETE ${noun}`,
    bodySha256: '',
    status: 204,
  };
  await tx.idempotencyKey.createMany({ data: [data], skipDuplicates: true });
}

export async function wasDeleted(
  tx: DatabaseTransaction,
  projectId: string,
  noun: Noun,
  id: string,
): Promise<boolean> {
  const key = deletionKey(noun, id);
  return (await tx.idempotencyKey.findUnique({ where: { projectId_key: { projectId, key } } })) !== null;
}
