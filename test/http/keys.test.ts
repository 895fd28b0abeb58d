import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKey } from '../../src/keys/key.ts';
import { createLog } from '../../src/log.ts';
import { until } from '../flow/support/lifecycle.ts';
import { problemOf, startService, type TestService } from './support/service.ts';

describe('keys', () => {
  let service: TestService;
  const logged: string[] = [];

  beforeAll(async () => {
    const log = createLog('info', 'test', { write: (line: string) => logged.push(line) });
    service = await startService({ log });
  });
  afterAll(() => service.stop());

  const get = (headers: Record<string, string>, url = '/v1/runs') => service.app.inject({ url, headers });

  it('are answered alike whether missing, garbled, unknown, expired or revoked', async () => {
    const expired = await service.makeKey(service.projectId, 'admin');
    await service.db.apiKey.update({ where: { id: expired.id }, data: { expiresAt: new Date(0) } });
    const revoked = await service.makeKey(service.projectId, 'admin');
    await service.db.apiKey.update({ where: { id: revoked.id }, data: { revokedAt: new Date() } });
    const bodies = new Set<string>();
    for (const authorization of [undefined, 'x', 'Bearer garbage', createKey(), expired.key, revoked.key]) {
      const value = authorization?.startsWith('ty_') ? `Bearer ${authorization}` : authorization;
      const answer = await get({
        ...(value === undefined ? {} : { authorization: value }),
        'x-request-id': 'same',
      });
      expect(answer.statusCode).toBe(401);
      expect(answer.headers['www-authenticate']).toBe('Bearer');
      bodies.add(answer.body);
    }
    expect(bodies.size).toBe(1);
  });

  it('are refused in the address, even if valid, and reach no log', async () => {
    const key = service.admin.authorization.slice('Bearer '.length);
    for (const query of [`?api_key=${key}`, `?tag=${key}`, `?access_token=x`]) {
      expect((await get(service.admin, `/v1/runs${query}`)).statusCode).toBe(401);
    }
    const inPath = await get(service.admin, `/v1/runs/${key}`);
    expect(inPath.statusCode).toBe(404);
    expect(inPath.body).not.toContain(key);
    await until(() => logged.some((line) => line.includes('"statusCode":404')), 'the log');
    expect(logged.join('')).not.toContain(key);
  });

  it('do not let a project see another', async () => {
    expect(
      problemOf(await get(service.stranger, '/v1/runs/018f0000-0000-7000-8000-000000000000')).status,
    ).toBe(404);
  });

  it('that are tried too often are told to wait, however they claim to come; good ones are not', async () => {
    const codes = new Set<number>();
    let last = await get({});
    for (let i = 0; i < 70; i++) {
      last = await get({ authorization: 'Bearer ty_wrong', 'x-forwarded-for': `10.0.0.${i}` });
      codes.add(last.statusCode);
    }
    expect([...codes]).toEqual([401, 429]);
    expect(problemOf(last).code).toBe('too-many-failed-keys');
    expect(Number(last.headers['retry-after'])).toBeGreaterThan(0);
    expect((await get(service.admin)).statusCode).toBe(200);
  });
});
