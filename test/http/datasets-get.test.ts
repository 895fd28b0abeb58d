import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf, startService, type TestService, upload } from './support/service.ts';

describe('GET /v1/datasets/{id}', () => {
  let service: TestService;
  let id: string;

  beforeAll(async () => {
    service = await startService();
    id = await upload(service);
  });
  afterAll(() => service.stop());

  const get = (path: string, headers = service.admin) =>
    service.app.inject({ url: `/v1/datasets/${path}`, headers });

  it('gives the dataset with its columns', async () => {
    const answer = await get(id);
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({
      id,
      rowCount: 4,
      columns: [{ name: 'length' }, { name: 'width' }, { name: 'kind' }],
    });
  });

  it.each(['0', '..%2F..%2Fx', "1'%20OR%201=1", '018f0000-0000-7000-8000-000000000000'])(
    'knows nothing of %s',
    async (unknown) => {
      expect(problemOf(await get(unknown))).toMatchObject({ status: 404, code: 'not-found' });
    },
  );

  it('knows nothing of it for another project, in the very same words', async () => {
    const strange = (await get(id, service.stranger)).json();
    const absent = (await get('018f0000-0000-7000-8000-000000000000')).json();
    expect({ ...strange, instance: '', requestId: '' }).toEqual({ ...absent, instance: '', requestId: '' });
  });
});
