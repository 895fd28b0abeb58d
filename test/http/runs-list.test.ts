import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunPage } from '../../src/runs/schema.ts';
import {
  manyFlowers,
  problemOf,
  specFor,
  startService,
  submit,
  type TestService,
  upload,
} from './support/service.ts';

describe('GET /v1/runs', () => {
  let service: TestService;
  const newestFirst: string[] = [];

  beforeAll(async () => {
    service = await startService();
    const dataset = await upload(service, manyFlowers());
    const runs = [
      { name: 'one', tags: ['x'], metadata: { team: 'a:b' } },
      { name: 'two', tags: ['x', 'y'] },
      { name: '%', tags: ["'; DROP TABLE"], metadata: { team: 'c' } },
      { name: 'one' },
    ];
    for (const more of runs) newestFirst.unshift((await submit(service, specFor(dataset, more))).json().id);
    await service.db.run.update({ where: { id: newestFirst[3] ?? '' }, data: { status: 'succeeded' } });
  });
  afterAll(() => service.stop());

  const list = (query = '', headers = service.admin) =>
    service.app.inject({ url: `/v1/runs${query}`, headers });
  const ids = async (query: string) =>
    (await list(query))
      .json<RunPage>()
      .data.map(({ id }) => newestFirst.length - 1 - newestFirst.indexOf(id));

  it.each(['', '&sort=created'])('pages through all of them once%s', async (sort) => {
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: RunPage = (
        await list(`?limit=3${sort}${cursor === null ? '' : `&cursor=${cursor}`}`)
      ).json();
      seen.push(...page.data.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(seen).toEqual(sort === '' ? newestFirst : newestFirst.toReversed());
  });

  it('gives rows without spec, epochs or weights', async () => {
    const [row] = (await list('?limit=1')).json<RunPage>().data;
    expect(row).toMatchObject({ name: 'one', status: 'queued', epochs: 3, metadata: {} });
    expect(row).not.toHaveProperty('spec');
  });

  it('filters by status, name, tag and metadata', async () => {
    expect(await ids('?status=succeeded')).toEqual([0]);
    expect(await ids('?name=one')).toEqual([3, 0]);
    expect(await ids('?tag=x')).toEqual([1, 0]);
    expect(await ids('?tag=x&name=two')).toEqual([1]);
    expect(await ids('?metadata=team:a:b')).toEqual([0]);
    expect(await ids('?metadata=team:a')).toEqual([]);
  });

  it('takes patterns and SQL as the text they are', async () => {
    expect(await ids(`?name=${encodeURIComponent('%')}`)).toEqual([2]);
    expect(await ids(`?tag=${encodeURIComponent("'; DROP TABLE")}`)).toEqual([2]);
    expect(await ids(`?name=${encodeURIComponent('.*')}`)).toEqual([]);
  });

  it('shows nothing of another project', async () => {
    expect((await list('', service.stranger)).json<RunPage>().data).toEqual([]);
  });

  it.each([
    'status=done',
    'sort=loss',
    'limit=-1',
    'limit=1000000000',
    'cursor=e30',
    'metadata=team',
    'tag=%00',
    'page=2',
  ])('refuses %s', async (query) => {
    const answer = await list(`?${query}`);
    expect(problemOf(answer)).toMatchObject({ status: 422, pointers: [`?${query.split('=')[0]}`] });
  });
});
