import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf, startService, submitted, type TestService } from './support/service.ts';

describe('GET /v1/runs/{id}', () => {
  let service: TestService;
  let id: string;

  beforeAll(async () => {
    service = await startService();
    id = await submitted(service, { name: '<script>alert(1)</script>' });
  });
  afterAll(() => service.stop());

  const get = (path: string, headers = service.admin) =>
    service.app.inject({ url: `/v1/runs/${path}`, headers });

  it('gives the run with its spec; what looks like markup is text under a CSP', async () => {
    const answer = await get(id, service.reader);
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({
      id,
      name: '<script>alert(1)</script>',
      restarts: 0,
      spec: { training: { epochs: 3 } },
    });
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    expect(answer.headers['content-security-policy']).toContain("default-src 'none'");
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
  });

  it('knows nothing of what is not there or not the project’s', async () => {
    for (const answer of [
      await get(id, service.stranger),
      await get('1'),
      await get('018f0000-0000-7000-8000-000000000000'),
    ]) {
      expect(problemOf(answer)).toEqual({ status: 404, code: 'not-found', pointers: [] });
    }
  });
});
