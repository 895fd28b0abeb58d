import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunManifest } from '../../src/runs/manifest-schema.ts';
import { trainedRun } from './support/finished-run.ts';
import { manyFlowers, problemOf, startService, submitted, type TestService } from './support/service.ts';

const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex');

/** As its description says, and by nothing of ours. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, sorted(member)]),
  );
}

describe('GET /v1/runs/{id}/manifest', () => {
  let service: TestService;

  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  const ask = (id: string, headers = service.admin) =>
    service.app.inject({ url: `/v1/runs/${id}/manifest`, headers });
  const get = async (id: string) => (await ask(id)).json<RunManifest>();

  it('names all that a run was made of and made', async () => {
    const { id, model } = await trainedRun(service);
    const manifest = await get(id);
    const run = await service.db.run.findUniqueOrThrow({ where: { id } });
    expect(manifest).toMatchObject({
      runId: id,
      status: 'succeeded',
      spec: { data: { dataset: run.datasetId }, training: { epochs: 3 } },
      dataset: {
        id: run.datasetId,
        contentSha256: sha256(manyFlowers()),
        byteLength: manyFlowers().length,
        rowCount: 40,
      },
      seed: 0,
      attempts: [
        { fence: 1, workerId: 'test', backend: 'wasm', isa: null, engineVersion: '1', fromEpoch: 0 },
      ],
      weightsSha256: run.weightsSha256,
      modelSha256: sha256(model),
    });
    expect(manifest.epochs.epochs).toEqual([1, 2, 3]);
    expect(manifest.epochs.weightsSha256.at(-1)).toBe(run.weightsSha256);
  });

  it('holds a chain that its description is enough to compute again', async () => {
    const manifest = await get((await trainedRun(service)).id);
    const { spec, dataset, epochs } = manifest;
    const recipe = { ...spec, data: { ...spec.data, dataset: dataset.contentSha256 } };
    let chain = sha256(JSON.stringify(sorted(recipe)));
    expect(manifest.recipeSha256).toBe(chain);
    for (const [i, epoch] of epochs.epochs.entries()) {
      chain = sha256(`${chain} ${epoch} ${epochs.weightsSha256[i]}`);
      expect(epochs.chainSha256[i]).toBe(chain);
    }
    expect(manifest.chainSha256).toBe(chain);
  });

  it('is equal for equal trainings on data that was uploaded twice, and for no others', async () => {
    const [one, two, other] = await Promise.all(
      [{}, { name: 'again' }, { seed: 1 }].map(async (more) => get((await trainedRun(service, more)).id)),
    );
    expect(one?.dataset.id).not.toBe(two?.dataset.id);
    expect(one?.chainSha256).toBe(two?.chainSha256);
    expect(one?.recipeSha256).not.toBe(other?.recipeSha256);
    expect(one?.chainSha256).not.toBe(other?.chainSha256);
  });

  it('is there from the start', async () => {
    const manifest = await get(await submitted(service));
    expect(manifest).toMatchObject({
      status: 'queued',
      attempts: [],
      weightsSha256: null,
      modelSha256: null,
    });
    expect(manifest.chainSha256).toBe(manifest.recipeSha256);
    expect(manifest.epochs).toEqual({ epochs: [], weightsSha256: [], chainSha256: [] });
  });

  it('is for the project’s own keys', async () => {
    const id = await submitted(service);
    expect(problemOf(await ask(id, service.stranger)).status).toBe(404);
    expect((await ask(id, service.reader)).statusCode).toBe(200);
  });
});
