import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf, startService, submitted, type TestService } from './support/service.ts';

describe('DELETE /v1/runs/{id}', () => {
  let service: TestService;

  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  const remove = (id: string, headers = service.admin) =>
    service.app.inject({ method: 'DELETE', url: `/v1/runs/${id}`, headers });

  it('deletes an ended run with its events, and answers the same when repeated', async () => {
    const id = await submitted(service);
    await service.db.run.update({ where: { id }, data: { status: 'failed' } });
    expect((await remove(id)).statusCode).toBe(204);
    expect((await remove(id)).statusCode).toBe(204);
    expect(await service.db.runEvent.count({ where: { runId: id } })).toBe(0);
    expect(problemOf(await remove(id, service.stranger)).status).toBe(404);
  });

  it.each(['queued', 'running', 'cancelling'] as const)('refuses a %s run', async (status) => {
    const id = await submitted(service);
    await service.db.run.update({ where: { id }, data: { status } });
    expect(problemOf(await remove(id))).toMatchObject({ status: 409, code: 'illegal-transition' });
  });

  it('knows nothing of what never was', async () => {
    expect(problemOf(await remove('018f0000-0000-7000-8000-000000000000')).status).toBe(404);
  });
});
