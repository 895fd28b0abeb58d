import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf, startService, submitted, type TestService, upload } from './support/service.ts';

describe('DELETE /v1/datasets/{id}', () => {
  let service: TestService;

  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  const remove = (id: string, headers = service.admin) =>
    service.app.inject({ method: 'DELETE', url: `/v1/datasets/${id}`, headers });

  it('deletes it with its content, and answers the same when repeated', async () => {
    const id = await upload(service);
    expect((await remove(id)).statusCode).toBe(204);
    expect((await remove(id)).statusCode).toBe(204);
    expect(await service.db.datasetChunk.count({ where: { datasetId: id } })).toBe(0);
    const get = await service.app.inject({ url: `/v1/datasets/${id}`, headers: service.admin });
    expect(get.statusCode).toBe(404);
    expect(problemOf(await remove(id, service.stranger)).status).toBe(404);
  });

  it('refuses while a run uses it', async () => {
    const run = await submitted(service);
    const { datasetId } = await service.db.run.findUniqueOrThrow({ where: { id: run } });
    expect(problemOf(await remove(datasetId))).toMatchObject({ status: 409, code: 'dataset-in-use' });
    expect(await service.db.dataset.count({ where: { id: datasetId } })).toBe(1);
  });

  it('leaves another project’s alone', async () => {
    const id = await upload(service);
    expect(problemOf(await remove(id, service.stranger)).status).toBe(404);
    expect(problemOf(await remove(id, service.reader)).status).toBe(403);
    expect(await service.db.dataset.count({ where: { id } })).toBe(1);
  });
});
