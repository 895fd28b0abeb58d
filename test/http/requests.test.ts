import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemOf, startService, type TestService } from './support/service.ts';

describe('a request', () => {
  let service: TestService;

  beforeAll(async () => {
    service = await startService({ limits: { sockets: { headersTimeoutMs: 400, bodyTimeoutMs: 400 } } });
  });
  afterAll(() => service.stop());

  /** Sends bytes as they are, and resolves with all that came back once the service has closed. */
  const raw = (text: string) =>
    new Promise<string>((resolve) => {
      let answer = '';
      const socket = connect(service.port, '127.0.0.1', () => socket.write(text));
      socket.setEncoding('utf8').on('data', (piece: string) => {
        answer += piece;
      });
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(answer));
    });
  const key = () => `authorization: ${service.admin.authorization}\r\nhost: x\r\n`;

  it('gets its own id back, if that is one, and a fresh one otherwise', async () => {
    const ask = (id: string) => service.app.inject({ url: '/livez', headers: { 'x-request-id': id } });
    expect((await ask('abc-1')).headers['x-request-id']).toBe('abc-1');
    for (const odd of ['a b', 'x'.repeat(129), '<script>']) {
      expect((await ask(odd)).headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    }
    const refused = await service.app.inject({ url: '/nowhere', headers: { 'x-request-id': 'abc-2' } });
    expect(refused.json()).toMatchObject({
      status: 404,
      code: 'not-found',
      requestId: 'abc-2',
      instance: '/nowhere',
    });
  });

  it('with headers that do not end is closed', async () => {
    expect(await raw('GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: ')).toMatch(
      /^HTTP\/1\.1 408 .*problem\+json/s,
    );
  });

  it('with a body that does not come is closed', async () => {
    const head = `POST /v1/runs HTTP/1.1\r\n${key()}content-type: application/json\r\ncontent-length: 100\r\n\r\n{`;
    expect(await raw(head)).toMatch(/^HTTP\/1\.1 408 .*problem\+json/s);
  });

  it('with two lengths is refused and closed', async () => {
    const head = `POST /v1/runs HTTP/1.1\r\n${key()}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}`;
    expect(await raw(head)).toMatch(/^HTTP\/1\.1 400 .*problem\+json.*connection: close/s);
  });

  it('with a megabyte of headers is refused', async () => {
    expect(await raw(`GET /livez HTTP/1.1\r\nx-big: ${'x'.repeat(1_000_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 431 /,
    );
  });

  it('that is no HTTP is refused', async () => {
    expect(await raw('hello\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
  });

  it.each(['/v1/%', '/v1/runs/%zz', `/v1/runs/${'x'.repeat(300)}`])(
    'for the odd address %s is refused',
    async (url) => {
      const answer = await service.app.inject({ url, headers: service.admin });
      expect(answer.statusCode).toBeGreaterThanOrEqual(400);
      expect(answer.statusCode).toBeLessThan(500);
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    },
  );

  it('that fails inside says nothing of the inside', async () => {
    const own = await startService();
    await own.db.$executeRaw`ALTER TABLE "Dataset" RENAME TO "Elsewhere"`;
    const answer = await own.app.inject({ url: '/v1/datasets', headers: own.admin });
    expect(problemOf(answer)).toEqual({ status: 500, code: 'internal', pointers: [] });
    expect(answer.body.replace('/v1/datasets', '')).not.toMatch(/dataset|select|prisma|relation|\.ts/i);
    await own.stop();
  });
});
