import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunMetrics } from '../../src/runs/schema.ts';
import { problemOf, startService, submitted, type TestService } from './support/service.ts';

describe('GET /v1/runs/{id}/metrics', () => {
  let service: TestService;
  let id: string;

  beforeAll(async () => {
    service = await startService();
    id = await submitted(service);
    const data = Array.from({ length: 100 }, (_, i) => ({
      runId: id,
      epoch: i + 1,
      sequence: i + 2,
      metrics: { loss: i === 37 ? 99 : 1 / (i + 1), accuracy: i === 99 ? null : i / 100 },
      diverged: i === 99,
      weightsSha256: '',
      chainSha256: '',
      durationMs: 1,
    }));
    await service.db.epoch.createMany({ data });
  });
  afterAll(() => service.stop());

  const get = (query = '', headers: Record<string, string> = service.admin) =>
    service.app.inject({ url: `/v1/runs/${id}/metrics${query}`, headers });

  it('gives columns, with null and a flag where a number was not finite', async () => {
    const metrics = (await get()).json<RunMetrics>();
    expect(metrics.epochs).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(metrics.series.loss?.slice(0, 2)).toEqual([1, 0.5]);
    expect(metrics.series.accuracy?.at(-1)).toBeNull();
    expect(metrics.diverged).toBe(true);
  });

  it('starts where asked, and keeps peaks when thinned', async () => {
    expect((await get('?fromEpoch=99')).json<RunMetrics>().epochs).toEqual([99, 100]);
    const thin = (await get('?maxPoints=12')).json<RunMetrics>();
    expect(thin.epochs.length).toBeLessThanOrEqual(12);
    expect(thin.epochs).toContain(38);
    expect(thin.epochs.at(0)).toBe(1);
    expect(thin.epochs.at(-1)).toBe(100);
  });

  it('comes as CSV on request', async () => {
    const answer = await get('?fromEpoch=99', { ...service.admin, accept: 'text/csv' });
    expect(answer.headers['content-type']).toBe('text/csv; charset=utf-8');
    expect(answer.body).toBe(`epoch,loss,accuracy\r\n99,${1 / 99},0.98\r\n100,0.01,\r\n`);
    expect(problemOf(await get('', { ...service.admin, accept: 'image/png' })).status).toBe(406);
  });

  it('is empty before the first epoch', async () => {
    const url = `/v1/runs/${await submitted(service)}/metrics`;
    const answer = await service.app.inject({ url, headers: service.admin });
    expect(answer.json()).toEqual({ epochs: [], series: {}, diverged: false });
  });

  it('refuses wrong bounds, and knows nothing for another project', async () => {
    expect(problemOf(await get('?maxPoints=1')).pointers).toEqual(['?maxPoints']);
    expect(problemOf(await get('?fromEpoch=-1')).pointers).toEqual(['?fromEpoch']);
    expect(problemOf(await get('', service.stranger)).status).toBe(404);
  });
});
