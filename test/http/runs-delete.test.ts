import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trainedRun } from './support/finished-run.ts';
import { problemOf, startService, submitted, type TestService } from './support/service.ts';

describe('DELETE /v1/runs/{id}', () => {
  let service: TestService;

  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  const remove = (id: string, headers = service.admin) =>
    service.app.inject({ method: 'DELETE', url: `/v1/runs/${id}`, headers });

  /** Of a run, in every table that is about runs. */
  async function rowsOf(id: string): Promise<Record<string, number>> {
    const { run, runEvent, epoch, checkpoint, runAttempt } = service.db;
    const where = { runId: id };
    return {
      runs: await run.count({ where: { id } }),
      events: await runEvent.count({ where }),
      epochs: await epoch.count({ where }),
      checkpoints: await checkpoint.count({ where }),
      attempts: await runAttempt.count({ where }),
    };
  }

  it('deletes an ended run with all that is stored of it, and answers the same when repeated', async () => {
    const [{ id }, { id: other }] = [await trainedRun(service), await trainedRun(service)];
    const whole = await rowsOf(id);
    expect(whole).toEqual({ runs: 1, events: 4, epochs: 3, checkpoints: 3, attempts: 1 });
    expect((await remove(id)).statusCode).toBe(204);
    expect((await remove(id)).statusCode).toBe(204);
    expect(await rowsOf(id)).toEqual({ runs: 0, events: 0, epochs: 0, checkpoints: 0, attempts: 0 });
    expect(await rowsOf(other)).toEqual(whole);
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
