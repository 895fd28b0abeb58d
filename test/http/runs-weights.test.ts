import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeSafetensors } from '../../src/engine/state.ts';
import { type FinishedRun, trainedRun } from './support/finished-run.ts';
import { problemOf, startService, submitted, type TestService } from './support/service.ts';

describe('GET /v1/runs/{id}/weights', () => {
  let service: TestService;
  let run: FinishedRun;

  beforeAll(async () => {
    service = await startService();
    run = await trainedRun(service, { name: 'Zoë’s "run"' });
  });
  afterAll(() => service.stop());

  const get = (query = '', headers: Record<string, string> = {}, id = run.id) =>
    service.app.inject({ url: `/v1/runs/${id}/weights${query}`, headers: { ...service.admin, ...headers } });

  it('gives the model as safetensors, named, sized and tagged with its hash', async () => {
    const answer = await get();
    expect(answer.statusCode).toBe(200);
    expect(new Uint8Array(answer.rawPayload)).toEqual(run.model);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': String(run.model.length),
      'accept-ranges': 'bytes',
      etag: `"${createHash('sha256').update(run.model).digest('hex')}"`,
    });
    expect(answer.headers['content-disposition']).toBe(
      `attachment; filename="zo-s-run-${run.id.slice(-8)}-best.safetensors"`,
    );
    const { tensors } = decodeSafetensors(answer.rawPayload);
    expect(tensors.map(({ name, shape }) => ({ name, shape }))).toContainEqual({
      name: 'layers.0.weight',
      shape: [4, 2],
    });
  });

  it('gives the whole state as latest', async () => {
    const answer = await get('?checkpoint=latest&format=safetensors');
    expect(new Uint8Array(answer.rawPayload)).toEqual(run.state);
  });

  it('gives the state after an epoch, where it is kept', async () => {
    const { epoch } = await service.db.run.findUniqueOrThrow({ where: { id: run.id } });
    const answer = await get(`?checkpoint=${epoch}`);
    expect(new Uint8Array(answer.rawPayload)).toEqual(run.state);
    expect(answer.headers['content-disposition']).toContain(`-epoch-${epoch}.safetensors`);
    const missing = await get(`?checkpoint=${epoch + 1}`);
    expect(problemOf(missing)).toMatchObject({ status: 404, code: 'not-found' });
    expect(missing.body).toContain('keepEvery');
  });

  it('gives a range of it', async () => {
    const answer = await get('', { range: 'bytes=8-15' });
    expect(answer.statusCode).toBe(206);
    expect(answer.headers['content-range']).toBe(`bytes 8-15/${run.model.length}`);
    expect(new Uint8Array(answer.rawPayload)).toEqual(run.model.slice(8, 16));
    const tail = await get('', { range: 'bytes=-4' });
    expect(new Uint8Array(tail.rawPayload)).toEqual(run.model.slice(-4));
    const beyond = await get('', { range: `bytes=${run.model.length}-` });
    expect(problemOf(beyond).status).toBe(416);
    expect(beyond.headers['content-range']).toBe(`bytes */${run.model.length}`);
    const changed = await get('', { range: 'bytes=0-3', 'if-range': '"other"' });
    expect(changed.statusCode).toBe(200);
  });

  it('is not sent again to who has it', async () => {
    const { etag = '' } = (await get()).headers;
    const answer = await get('', { 'if-none-match': String(etag) });
    expect(answer.statusCode).toBe(304);
    expect(answer.body).toBe('');
  });

  it('answers HEAD with the size alone', async () => {
    const answer = await fetch(`${service.origin}/v1/runs/${run.id}/weights`, {
      method: 'HEAD',
      headers: service.admin,
    });
    expect(answer.headers.get('content-length')).toBe(String(run.model.length));
  });

  it('says whether they may still come', async () => {
    const id = await submitted(service);
    expect(problemOf(await get('', {}, id))).toMatchObject({ status: 409, code: 'no-model-yet' });
    await service.db.run.update({ where: { id }, data: { status: 'cancelled' } });
    expect(problemOf(await get('', {}, id))).toMatchObject({ status: 404, code: 'not-found' });
  });

  it('refuses other formats and checkpoints, and knows nothing for another project', async () => {
    expect(problemOf(await get('?format=onnx')).pointers).toEqual(['?format']);
    for (const wrong of ['0', '-1', '1.5', 'newest', '', '9999999999']) {
      expect(problemOf(await get(`?checkpoint=${wrong}`)).pointers, wrong).toEqual(['?checkpoint']);
    }
    expect(problemOf(await get('', service.stranger)).status).toBe(404);
  });
});
