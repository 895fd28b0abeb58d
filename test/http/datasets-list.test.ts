import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DatasetPage } from '../../src/datasets/schema.ts';
import { flowers, problemOf, startService, type TestService, upload } from './support/service.ts';

describe('GET /v1/datasets', () => {
  let service: TestService;
  let ids: string[];

  beforeAll(async () => {
    service = await startService();
    ids = [];
    for (const name of ['a', 'b', 'a', 'c', "x' OR 1=1 --"]) {
      ids.unshift(await upload(service, flowers, `?name=${encodeURIComponent(name)}`));
    }
  });
  afterAll(() => service.stop());

  const list = (query = '', headers = service.admin) =>
    service.app.inject({ url: `/v1/datasets${query}`, headers });

  it('pages through all of them once, newest first', async () => {
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: DatasetPage = (await list(`?limit=2${cursor === null ? '' : `&cursor=${cursor}`}`)).json();
      seen.push(...page.data.map(({ id }) => id));
      expect(page.hasMore).toBe(page.nextCursor !== null);
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(seen).toEqual(ids);
  });

  it('gives rows without their columns', async () => {
    const [row] = (await list('?limit=1')).json().data;
    expect(row).toMatchObject({ id: ids[0], rowCount: 4, columnCount: 3, byteLength: flowers.length });
    expect(row).not.toHaveProperty('columns');
  });

  it('filters by exact name, whatever the name looks like', async () => {
    expect((await list('?name=a')).json().data).toHaveLength(2);
    expect((await list(`?name=${encodeURIComponent("x' OR 1=1 --")}`)).json().data).toHaveLength(1);
    expect((await list('?name=%25')).json().data).toEqual([]);
  });

  it('shows nothing of another project', async () => {
    expect((await list('', service.stranger)).json()).toEqual({ data: [], hasMore: false, nextCursor: null });
  });

  it.each([
    'limit=0',
    'limit=101',
    'limit=1000000000',
    'limit=1e1',
    'limit=',
    'cursor=abc',
    'cursor=e30',
    'offset=3',
  ])('refuses %s', async (query) => {
    const [name] = query.split('=');
    expect(problemOf(await list(`?${query}`))).toEqual({
      status: 422,
      code: 'invalid-request',
      pointers: [`?${name}`],
    });
  });
});
