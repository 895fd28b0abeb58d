import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startService, type TestService } from './support/service.ts';

describe('the service', () => {
  let service: TestService;

  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  it('is alive and ready', async () => {
    const http = request(service.origin);
    await http.get('/livez').expect(200, { status: 'alive' });
    await http.get('/readyz').expect(200, { status: 'ready', checks: { database: 'ok', migrations: 'ok' } });
  });

  it('is not ready on a database without this version’s schema', async () => {
    const own = await startService();
    await own.db.$executeRaw`DELETE FROM _prisma_migrations`;
    const ready = await own.app.inject('/readyz');
    expect(ready.statusCode).toBe(503);
    expect(ready.json()).toEqual({ status: 'unready', checks: { database: 'ok', migrations: 'failing' } });
    await own.stop();
  });

  it.each([
    ['has a full disk', `RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'`],
    ['has no connection left', `RAISE EXCEPTION 'too many clients' USING ERRCODE = '53300'`],
    ['is starting', `RAISE EXCEPTION 'the database system is starting up' USING ERRCODE = '57P03'`],
    ['cuts the connection', 'PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1)'],
  ])('is not to blame for a database that %s', async (_name, trouble) => {
    const own = await startService();
    await own.db.$executeRawUnsafe(
      `CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${trouble}; END $$`,
    );
    await own.db.$executeRaw`
      CREATE TRIGGER trouble BEFORE INSERT ON "Dataset" FOR EACH ROW EXECUTE FUNCTION trouble()`;
    const answer = await request(own.origin)
      .post('/v1/datasets')
      .set({ ...own.admin, 'content-type': 'text/csv' })
      .send('x,y\n1,a\n2,b\n');
    expect(answer.body).toMatchObject({ status: 503, code: 'unavailable' });
    expect(answer.headers['retry-after']).toBe('5');
    await own.stop();
  });

  it('describes itself without a key, and shows the description under a CSP', async () => {
    const api = (await service.app.inject('/openapi.json')).json();
    expect(Object.keys(api.paths)).toContain('/v1/runs/{id}/events');
    const page = await service.app.inject('/docs');
    expect(page.statusCode).toBe(200);
    expect(page.headers['content-type']).toMatch(/^text\/html/);
    const policy = String(page.headers['content-security-policy']);
    expect(policy).toContain("script-src 'self'");
    expect(page.body).not.toMatch(/<script(?![^>]*\bsrc=)[^>]*>[^<]/);
    for (const [, path = ''] of page.body.matchAll(/(?:src|href)="(?:\.)?([^"]+)"/g)) {
      const url = new URL(path, 'http://x/docs/').pathname;
      expect((await service.app.inject(url.startsWith('/docs') ? url : `/docs${url}`)).statusCode, path).toBe(
        200,
      );
    }
  });
});
