import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { flowers, problemOf, startService, type TestService, upload } from './support/service.ts';

describe('GET /v1/datasets/{id}/preview', () => {
  let service: TestService;

  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  const preview = (id: string, query = '', headers = service.admin) =>
    service.app.inject({ url: `/v1/datasets/${id}/preview${query}`, headers });

  it('gives the first rows, numbers as numbers', async () => {
    const answer = await preview(await upload(service, flowers), '?limit=2');
    expect(answer.json()).toEqual({
      columns: [
        { name: 'length', type: 'numeric' },
        { name: 'width', type: 'numeric' },
        { name: 'kind', type: 'categorical' },
      ],
      rows: [
        [5.1, 3.5, 'red'],
        [4.9, 3, 'blue'],
      ],
      rowCount: 4,
    });
  });

  it('needs only the first chunk of a large file, whichever way it is cut', async () => {
    const rows = Array.from({ length: 120_000 }, (_, i) => `${i},"text ${i % 9}"`).join('\n');
    const id = await upload(service, `n,t\n${rows}\n`);
    const answer = (await preview(id, '?limit=100')).json();
    expect(answer.rows).toHaveLength(100);
    expect(answer.rows[99]).toEqual([99, 'text 0']);
    expect(answer.rowCount).toBe(120_000);
  });

  it('gives all rows of a short file', async () => {
    expect((await preview(await upload(service))).json().rows).toHaveLength(4);
  });

  it('refuses a limit over 100 and knows nothing for another project', async () => {
    const id = await upload(service);
    expect(problemOf(await preview(id, '?limit=101')).pointers).toEqual(['?limit']);
    expect(problemOf(await preview(id, '', service.stranger)).status).toBe(404);
  });
});
