import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDatasetCache } from '../../workers/dataset-cache.ts';
import { DamagedDatasetError } from '../../workers/dataset-store.ts';
import { insertDataset, type RunDatabase, runDatabase, sha256 } from '../flow/support/lifecycle.ts';

let at: RunDatabase;
beforeAll(async () => {
  at = await runDatabase(process.env.TEST_DATABASE_URL ?? '');
});
afterAll(() => at.drop());

const csv = `x,y\n${Array.from({ length: 100 }, (_, i) => `${i},a\n`).join('')}`;
const content = new TextEncoder().encode(csv);
const store = (text = csv) => insertDataset(at, { csv: text, chunkBytes: 100 });
const ask = (datasetId: string, text = csv) => {
  const bytes = new TextEncoder().encode(text);
  return { datasetId, contentSha256: sha256(bytes), byteLength: bytes.length };
};
const damage = (datasetId: string) => at.db.$executeRaw`
  UPDATE "DatasetChunk" SET "bytes" = set_byte("bytes", 5, get_byte("bytes", 5) # 1)
  WHERE "datasetId" = ${datasetId}::uuid AND "index" = 2`;

it('joins the chunks in order and reads the same content once', async () => {
  const cache = createDatasetCache(at.db, 1 << 20);
  const id = await store();
  const [first, second] = await Promise.all([cache.get(ask(id)), cache.get(ask(id))]);
  expect(new Uint8Array(first)).toEqual(content);
  expect(second).toBe(first);
  expect(await cache.get(ask(id))).toBe(first);
});

it('refuses damaged and missing chunks, and a whole copy of the same content is not blamed', async () => {
  const cache = createDatasetCache(at.db, 1 << 20);
  const [broken, whole, cut] = [await store(), await store(), await store()];
  await damage(broken);
  await at.db.datasetChunk.delete({ where: { datasetId_index: { datasetId: cut, index: 1 } } });
  const [refused, given] = await Promise.allSettled([cache.get(ask(broken)), cache.get(ask(whole))]);
  expect(refused).toMatchObject({ status: 'rejected', reason: expect.any(DamagedDatasetError) });
  expect(given).toMatchObject({ status: 'fulfilled', value: { byteLength: content.length } });
  const fresh = createDatasetCache(at.db, 1 << 20);
  await expect(fresh.get(ask(cut))).rejects.toThrow('incomplete at part 2');
});

it('lets go of what was used longest ago when it holds too much', async () => {
  const cache = createDatasetCache(at.db, content.length + 10);
  const other = csv.replaceAll('a', 'b');
  const [id, otherId] = [await store(), await store(other)];
  const first = await cache.get(ask(id));
  await cache.get(ask(otherId, other));
  expect(await cache.get(ask(id))).not.toBe(first);
});
