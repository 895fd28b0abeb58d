import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventsOf } from '../flow/support/lifecycle.ts';
import { problemOf, startService, submitted, type TestService } from './support/service.ts';

describe('POST /v1/runs/{id}/pause', () => {
  let service: TestService;

  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  const pause = (id: string, headers = service.admin) =>
    service.app.inject({ method: 'POST', url: `/v1/runs/${id}/pause`, headers });
  const toldOf = async (runId: string) => (await eventsOf(service, runId)).map(({ data }) => data);

  it('pauses a queued run at once, and answers the same when repeated', async () => {
    const id = await submitted(service);
    const first = await pause(id);
    const again = await pause(id);
    expect([first.statusCode, again.statusCode]).toEqual([202, 202]);
    expect(first.json()).toMatchObject({ id, status: 'paused', stopReason: null, finishedAt: null });
    expect(again.json()).toEqual(first.json());
    expect(await toldOf(id)).toEqual([{ status: 'queued' }, { status: 'paused' }]);
  });

  it('asks a running one to stop, once', async () => {
    const id = await submitted(service);
    await service.db.run.update({ where: { id }, data: { status: 'running' } });
    expect((await pause(id)).json().status).toBe('pausing');
    expect((await pause(id)).json().status).toBe('pausing');
    expect(await toldOf(id)).toEqual([{ status: 'queued' }, { status: 'pausing' }]);
  });

  it.each([
    ['cancelling', 'is being cancelled and cannot be paused'],
    ['cancelled', 'was cancelled already and cannot be paused'],
    ['succeeded', 'has succeeded already and cannot be paused'],
    ['failed', 'has failed already and cannot be paused'],
  ] as const)('is impossible while it is %s, and says so', async (status, why) => {
    const id = await submitted(service);
    await service.db.run.update({ where: { id }, data: { status } });
    const refused = await pause(id);
    expect(problemOf(refused)).toMatchObject({ status: 409, code: 'illegal-transition' });
    expect(refused.json().detail).toContain(why);
    expect(refused.json().detail).toContain('submit it anew');
  });

  it('is for the project’s own keys that may write', async () => {
    const id = await submitted(service);
    expect(problemOf(await pause(id, service.stranger)).status).toBe(404);
    expect(problemOf(await pause(id, service.reader)).status).toBe(403);
    expect((await service.db.run.findUniqueOrThrow({ where: { id } })).status).toBe('queued');
  });
});
