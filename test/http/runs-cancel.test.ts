import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf, startService, submitted, type TestService } from './support/service.ts';

describe('POST /v1/runs/{id}/cancel', () => {
  let service: TestService;

  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  const cancel = (id: string, headers = service.admin) =>
    service.app.inject({ method: 'POST', url: `/v1/runs/${id}/cancel`, headers });

  it('cancels a queued run at once, and answers the same when repeated', async () => {
    const id = await submitted(service);
    const first = await cancel(id);
    const again = await cancel(id);
    expect([first.statusCode, again.statusCode]).toEqual([202, 202]);
    expect(first.json()).toMatchObject({ id, status: 'cancelled', stopReason: 'user' });
    expect(again.json()).toEqual(first.json());
  });

  it('asks a running one to stop', async () => {
    const id = await submitted(service);
    await service.db.run.update({ where: { id }, data: { status: 'running' } });
    expect((await cancel(id)).json().status).toBe('cancelling');
    expect((await cancel(id)).json().status).toBe('cancelling');
  });

  it.each(['succeeded', 'failed'] as const)('is impossible once it has %s', async (status) => {
    const id = await submitted(service);
    await service.db.run.update({ where: { id }, data: { status } });
    expect(problemOf(await cancel(id))).toMatchObject({ status: 409, code: 'illegal-transition' });
  });

  it('is for the project’s own keys that may write', async () => {
    const id = await submitted(service);
    expect(problemOf(await cancel(id, service.stranger)).status).toBe(404);
    expect(problemOf(await cancel(id, service.reader)).status).toBe(403);
    expect((await service.db.run.findUniqueOrThrow({ where: { id } })).status).toBe('queued');
  });
});
