import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../flow/support/lifecycle.ts';
import { flowers, problemOf, startService, type TestService } from './support/service.ts';

describe('POST /v1/datasets', () => {
  let service: TestService;

  beforeAll(async () => {
    service = await startService({
      limits: {
        csv: { bytesMax: 3_000_000, lineBytesMax: 50_000, columnsMax: 500, categoriesMax: 20 },
        sockets: { bodyTimeoutMs: 500 },
      },
    });
  });
  afterAll(() => service.stop());

  const post = (payload: string | Buffer, query = '', headers: Record<string, string> = {}) =>
    service.app.inject({
      method: 'POST',
      url: `/v1/datasets${query}`,
      headers: { ...service.admin, 'content-type': 'text/csv', ...headers },
      payload,
    });

  it('stores the file as it is, and says what its columns are', async () => {
    const answer = await post(flowers, '?name=flowers');
    expect(answer.statusCode).toBe(201);
    const dataset = answer.json();
    expect(answer.headers.location).toBe(`/v1/datasets/${dataset.id}`);
    expect(dataset).toMatchObject({
      name: 'flowers',
      rowCount: 4,
      byteLength: flowers.length,
      sha256: createHash('sha256').update(flowers).digest('hex'),
    });
    expect(dataset.columns[0]).toEqual({
      name: 'length',
      type: 'numeric',
      integer: false,
      min: 4.9,
      max: 6.2,
      mean: expect.closeTo(5.425, 10),
      classes: null,
    });
    expect(dataset.columns[2]).toEqual({
      name: 'kind',
      type: 'categorical',
      categories: [
        { value: 'blue', count: 2 },
        { value: 'red', count: 2 },
      ],
    });
    const chunks = await service.db.datasetChunk.findMany({ where: { datasetId: dataset.id } });
    expect(Buffer.concat(chunks.map(({ bytes }) => bytes)).toString()).toBe(flowers);
  });

  it('cuts a large file into hashed chunks of 1 MiB', async () => {
    const csv = `a,b\n${'12345.5,67890.25\n'.repeat(130_000)}`;
    const answer = await post(csv);
    expect(answer.statusCode).toBe(201);
    const where = { datasetId: answer.json().id };
    const chunks = await service.db.datasetChunk.findMany({ where, orderBy: { index: 'asc' } });
    expect(chunks.map(({ bytes }) => bytes.length)).toEqual([1 << 20, 1 << 20, csv.length - 2 * (1 << 20)]);
    for (const { bytes, sha256 } of chunks) {
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
    }
  });

  it('reads columns as they were asked for', async () => {
    const answer = await post('digit,x\n1,2\n2,3\n', '?categorical=digit&numeric=x');
    expect(answer.json().columns.map(({ type }: { type: string }) => type)).toEqual([
      'categorical',
      'numeric',
    ]);
    const unknown = await post('digit,x\n1,2\n', '?categorical=digti');
    expect(problemOf(unknown)).toEqual({ status: 422, code: 'invalid-request', pointers: ['?categorical'] });
    expect(unknown.json().errors[0].detail).toContain('did you mean "digit"?');
    expect(problemOf(await post('a,b\n1,2\n', '?categorical=a&numeric=a')).pointers).toEqual(['?numeric']);
  });

  it.each([
    ['an empty file', '', '#', /empty/],
    ['no rows', 'a,b\n', '#', /no rows/],
    ['a ragged row', 'a,b\n1,2\n3\n', '#/rows/3', /has 1 cell; the header has 2/],
    ['an unclosed quote', 'a,b\n1,"x\n2,y\n', '#/rows/2', /never closed/],
    ['a repeated name', 'a,a\n1,2\n', '#/rows/1/a', /twice/],
    ['a nameless column', 'a,\n1,2\n', '#/rows/1', /no name for column 2/],
    ['a missing header', '1,2\n3,4\n', '#/rows/1', /only numbers/],
    ['an empty cell', 'a,b\n1,2\n,4\n', '#/rows/3/a', /empty/],
    ['NaN', 'a,b\n1,2\nNaN,4\n', '#/rows/3/a', /not a finite number/],
    ['an infinity', 'a,b\n1,2\n3,-inf\n', '#/rows/3/b', /not a finite number/],
    ['a text among numbers', `a,b\n${'1,2\n'.repeat(20)}x,2\n`, '#/rows/22/a', /\?categorical=a/],
    ['bytes that are not UTF-8', Buffer.from('a,b\n1,\xff\n', 'latin1'), '#/rows/2', /UTF-8/],
    ['a NUL', 'a,b\n1,\u0000\n', '#/rows/2', /NUL/],
    ['too many columns', `${Array.from({ length: 501 }, (_, i) => `c${i}`).join(',')}\n`, '#/rows/1', /500/],
    ['a line without end', `a,b\n1,${'2'.repeat(60_000)}`, '#/rows/2', /longer than 50000 bytes/],
    ['semicolons', 'a;b\n1;2\n', '#/rows/1', /commas/],
    [
      'free text',
      `a,b\n${Array.from({ length: 30 }, (_, i) => `t${i},1`).join('\n')}\n`,
      '#/rows/22/a',
      /leave the column out/,
    ],
  ])('refuses %s with its place, and keeps nothing', async (_, csv, pointer, detail) => {
    const before = await service.db.dataset.count();
    const answer = await post(csv);
    expect(problemOf(answer)).toEqual({ status: 422, code: 'invalid-csv', pointers: [pointer] });
    expect(answer.json().errors[0].detail).toMatch(detail);
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(await service.db.dataset.count()).toBe(before);
  });

  it('refuses what is no CSV by its content type, its encoding or its first bytes', async () => {
    expect(problemOf(await post('{}', '', { 'content-type': 'application/json' })).status).toBe(415);
    expect(problemOf(await post(gzipSync(flowers), '', { 'content-encoding': 'gzip' })).code).toBe(
      'unsupported-encoding',
    );
    expect(problemOf(await post(gzipSync(flowers))).code).toBe('unsupported-media-type');
    expect(problemOf(await post(Buffer.from('PK\u0003\u0004 and so on'))).status).toBe(415);
    const tar = Buffer.alloc(1024);
    tar.write('flowers.csv');
    tar.write('ustar', 257);
    expect(problemOf(await post(tar)).status).toBe(415);
  });

  it('refuses a file over the limit, announced or not', async () => {
    const row = '1.5,2.5\n';
    const csv = `a,b\n${row.repeat(3_000_000 / row.length)}`;
    expect(problemOf(await post(csv)).code).toBe('body-too-large');
    async function* unannounced() {
      for (let at = 0; at < csv.length; at += 65_536)
        yield new TextEncoder().encode(csv.slice(at, at + 65_536));
    }
    const answer = await fetch(`${service.origin}/v1/datasets`, {
      method: 'POST',
      headers: { ...service.admin, 'content-type': 'text/csv' },
      body: ReadableStream.from(unannounced()),
      duplex: 'half',
    } as RequestInit);
    expect(answer.status).toBe(413);
  });

  it('stores a path-like name as text', async () => {
    const answer = await post(flowers, `?name=${encodeURIComponent('../../x')}`);
    expect(answer.json().name).toBe('../../x');
  });

  it.each(['?nam=x', '?name=', `?name=${'x'.repeat(201)}`, '?name=%00', '?name=a&name=b'])(
    'refuses the query %s',
    async (query) => {
      expect(problemOf(await post(flowers, query))).toMatchObject({ status: 422, code: 'invalid-request' });
    },
  );

  it('answers a repeated Idempotency-Key as before, and refuses it for another file', async () => {
    const key = { 'idempotency-key': 'upload-1' };
    const first = await post(flowers, '?name=a', key);
    const again = await post(flowers, '?name=a', key);
    expect([first.statusCode, again.statusCode]).toEqual([201, 201]);
    expect(again.json()).toEqual(first.json());
    expect(again.headers['idempotency-replayed']).toBe('true');
    expect(problemOf(await post(`${flowers}1,2,red\n`, '?name=a', key)).code).toBe('idempotency-mismatch');
    expect(await service.db.dataset.count({ where: { name: 'a' } })).toBe(1);
  });

  const rawUpload = (body: string, length: number) => {
    const socket = connect(service.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(
      `POST /v1/datasets?name=cut HTTP/1.1\r\nhost: x\r\nauthorization: ${service.admin.authorization}\r\n` +
        `content-type: text/csv\r\ncontent-length: ${length}\r\n\r\n${body}`,
    );
    return socket;
  };

  it('leaves nothing of an upload that is cut off', async () => {
    const socket = rawUpload(flowers, flowers.length * 2);
    await until(
      () => service.app.server.getConnections !== undefined && socket.bytesWritten > 0,
      'the upload',
    );
    socket.destroy();
    const good = await post(flowers, '?name=after');
    expect(good.statusCode).toBe(201);
    expect(await service.db.dataset.count({ where: { name: 'cut' } })).toBe(0);
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith('trainyard-upload-'))).toEqual([]);
  });

  it('closes an upload that stalls', async () => {
    const socket = rawUpload(flowers, flowers.length * 2);
    let text = '';
    socket.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
    await new Promise((resolve) => socket.once('close', resolve));
    expect(text).toMatch(/^HTTP\/1\.1 408 /);
    expect(await service.db.dataset.count({ where: { name: 'cut' } })).toBe(0);
  });

  it('is not for keys that may only read', async () => {
    expect(problemOf(await post(flowers, '', service.reader)).status).toBe(403);
  });
});
