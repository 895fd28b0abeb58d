import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Verification } from '../../src/runs/verification-schema.ts';
import {
  attemptsMax,
  claimNextVerification,
  claimVerification,
  failVerification,
  finishVerification,
  releaseVerification,
  renewVerification,
  requeueExpiredVerifications,
  surrenderVerification,
} from '../../src/runs/verification-store.ts';
import { claimant } from '../flow/support/lifecycle.ts';
import { trainedRun } from './support/finished-run.ts';
import { problemOf, startService, submitted, type TestService } from './support/service.ts';

let service: TestService;
let runId: string;

beforeAll(async () => {
  service = await startService();
  runId = (await trainedRun(service)).id;
});
afterAll(() => service.stop());

function verify(id: string, body: object = {}, headers: Record<string, string> = {}) {
  return service.app.inject({
    method: 'POST',
    url: `/v1/runs/${id}/verify`,
    headers: { ...service.admin, 'content-type': 'application/json', ...headers },
    payload: JSON.stringify(body),
  });
}
const get = (id: string, of = runId, headers = service.admin) =>
  service.app.inject({ url: `/v1/runs/${of}/verifications/${id}`, headers });
const read = async (id: string) => (await get(id)).json<Verification>();
const queued = async (body: object = {}) => (await verify(runId, body)).json<Verification>().id;

describe('POST /v1/runs/{id}/verify', () => {
  it('queues a verification of all epochs, tells where it is, and rings for it', async () => {
    const answer = await verify(runId);
    expect(answer.statusCode).toBe(202);
    const verification = answer.json<Verification>();
    expect(verification).toMatchObject({
      ...{ runId, fromEpoch: 1, toEpoch: 3, status: 'queued', verdict: null, firstDifferentEpoch: null },
      ...{ detail: null, replayedFrom: null, attempts: 0, startedAt: null, finishedAt: null },
    });
    expect(answer.headers.location).toBe(`/v1/runs/${runId}/verifications/${verification.id}`);
    expect(await read(verification.id)).toEqual(verification);
    await expect.poll(() => service.tickets).toContain(verification.id);
  });

  it('takes a part of the epochs', async () => {
    expect((await verify(runId, { fromEpoch: 2, toEpoch: 2 })).json()).toMatchObject({
      fromEpoch: 2,
      toEpoch: 2,
    });
    expect((await verify(runId, { fromEpoch: 3 })).json()).toMatchObject({ fromEpoch: 3, toEpoch: 3 });
  });

  it.each([
    [{ fromEpoch: 4 }, ['#/fromEpoch']],
    [{ toEpoch: 4 }, ['#/toEpoch']],
    [{ fromEpoch: 3, toEpoch: 2 }, ['#/toEpoch']],
    [{ fromEpoch: 0 }, ['#/fromEpoch']],
    [{ toEpoch: 1.5 }, ['#/toEpoch']],
    [{ formEpoch: 1 }, ['#/formEpoch']],
  ])('refuses %j', async (body, pointers) => {
    expect(problemOf(await verify(runId, body))).toEqual({ status: 422, code: 'invalid-request', pointers });
  });

  it('is impossible before the end, and without an epoch', async () => {
    const id = await submitted(service);
    const early = await verify(id);
    expect(problemOf(early)).toMatchObject({ status: 409, code: 'illegal-transition' });
    expect(early.json().detail).toContain('queued');
    await service.db.run.update({ where: { id }, data: { status: 'failed' } });
    const empty = await verify(id);
    expect(problemOf(empty)).toMatchObject({ status: 409, code: 'illegal-transition' });
    expect(empty.json().detail).toContain('without an epoch');
  });

  it('gives the first answer again for a repeated key', async () => {
    const key = { 'idempotency-key': 'verify once' };
    const first = await verify(runId, {}, key);
    const again = await verify(runId, {}, key);
    expect(again.json()).toEqual(first.json());
    expect(again.headers['idempotency-replayed']).toBe('true');
    expect(problemOf(await verify(runId, { fromEpoch: 2 }, key))).toMatchObject({
      code: 'idempotency-mismatch',
    });
  });

  it('is for the project’s own keys that may write', async () => {
    expect(problemOf(await verify(runId, {}, service.stranger)).status).toBe(404);
    expect(problemOf(await verify(runId, {}, service.reader)).status).toBe(403);
  });
});

describe('GET /v1/runs/{id}/verifications/{verificationId}', () => {
  it('knows nothing of another project’s, another run’s, and what never was', async () => {
    const id = await queued();
    const other = (await trainedRun(service)).id;
    for (const answer of [await get(id, runId, service.stranger), await get(id, other), await get(runId)]) {
      expect(problemOf(answer)).toEqual({ status: 404, code: 'not-found', pointers: [] });
    }
    expect((await get(id, runId, service.reader)).statusCode).toBe(200);
  });

  it('is gone with its run', async () => {
    const gone = (await trainedRun(service)).id;
    const { id } = (await verify(gone)).json<Verification>();
    await service.app.inject({ method: 'DELETE', url: `/v1/runs/${gone}`, headers: service.admin });
    expect((await get(id, gone)).statusCode).toBe(404);
    expect(await claimVerification(service.sql, id, claimant())).toBeNull();
  });
});

describe('a verification', () => {
  const take = async (id: string) => {
    const claimed = await claimVerification(service.sql, id, claimant());
    if (claimed === null) throw new Error('the verification was not queued');
    return claimed;
  };
  const expire = (id: string) =>
    service.db.verification.update({ where: { id }, data: { leaseExpiresAt: new Date(0) } });
  const finding = { verdict: 'equal', firstDifferentEpoch: null, detail: 'fine', replayedFrom: 0 } as const;

  it('is claimed once, told by its holder, and then over', async () => {
    const id = await queued();
    const claims = await Promise.all(
      Array.from({ length: 5 }, () => claimVerification(service.sql, id, claimant())),
    );
    expect(claims.filter((claim) => claim !== null)).toHaveLength(1);
    const hold = { id, fence: 1 };
    expect(await read(id)).toMatchObject({ status: 'running', attempts: 1, startedAt: expect.any(String) });
    expect(await renewVerification(service.sql, hold, 15)).toBe(true);
    expect(await finishVerification(service.sql, hold, finding)).toBe(true);
    expect(await read(id)).toMatchObject({
      ...{
        status: 'done',
        verdict: 'equal',
        detail: 'fine',
        replayedFrom: 0,
        finishedAt: expect.any(String),
      },
    });
    expect(await renewVerification(service.sql, hold, 15)).toBe(false);
    expect(await failVerification(service.sql, hold, 'late')).toBe(false);
  });

  it('comes without a ticket too, the oldest first', async () => {
    await service.db.verification.deleteMany();
    const [first, second] = [await queued(), await queued()];
    expect((await claimNextVerification(service.sql, claimant()))?.hold.id).toBe(first);
    expect((await claimNextVerification(service.sql, claimant()))?.hold.id).toBe(second);
    expect(await claimNextVerification(service.sql, claimant())).toBeNull();
  });

  it('is claimed again when its worker is gone, three times at most; a late worker writes nothing', async () => {
    const id = await queued();
    const { hold: stale } = await take(id);
    await expire(id);
    expect(await requeueExpiredVerifications(service.sql)).toBe(1);
    expect(await requeueExpiredVerifications(service.sql)).toBe(0);
    await take(id);
    expect(await finishVerification(service.sql, stale, finding)).toBe(false);
    await expire(id);
    await requeueExpiredVerifications(service.sql);
    const { hold } = await take(id);
    expect(await surrenderVerification(service.sql, hold)).toBe(true);
    expect(await read(id)).toMatchObject({ status: 'failed', verdict: null, attempts: attemptsMax });
    expect((await read(id)).detail).toContain('3 times');
    expect(await claimVerification(service.sql, id, claimant())).toBeNull();
  });

  it('that is let go of on purpose has lost no attempt', async () => {
    const id = await queued();
    for (let turn = 0; turn < 5; turn++)
      expect(await releaseVerification(service.sql, (await take(id)).hold)).toBe(true);
    expect(await read(id)).toMatchObject({ status: 'queued', attempts: 0 });
    const { hold } = await take(id);
    expect(hold.fence).toBe(6);
    expect(await failVerification(service.sql, hold, 'a\u0000b')).toBe(true);
    expect(await read(id)).toMatchObject({ status: 'failed', detail: 'a\ufffdb' });
  });
});
