import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventsOf, until } from '../flow/support/lifecycle.ts';
import {
  manyFlowers,
  problemOf,
  specFor,
  startService,
  submit,
  type TestService,
  upload,
} from './support/service.ts';

describe('POST /v1/runs', () => {
  let service: TestService;
  let dataset: string;

  beforeAll(async () => {
    service = await startService();
    dataset = await upload(service, manyFlowers());
  });
  afterAll(() => service.stop());

  const post = (payload: string | Buffer, headers: Record<string, string> = {}, query = '') =>
    service.app.inject({
      method: 'POST',
      url: `/v1/runs${query}`,
      headers: { ...service.admin, 'content-type': 'application/json', ...headers },
      payload,
    });

  it('queues the run, tells its first event, and rings for a worker', async () => {
    const answer = await submit(service, specFor(dataset, { tags: ['a'], metadata: { k: 'v' } }));
    expect(answer.statusCode).toBe(201);
    const run = answer.json();
    expect(answer.headers.location).toBe(`/v1/runs/${run.id}`);
    expect(run).toMatchObject({
      name: 'flowers',
      tags: ['a'],
      metadata: { k: 'v' },
      status: 'queued',
      stopReason: null,
      epoch: 0,
      epochs: 3,
      results: null,
      spec: { seed: 0, loss: { kind: 'crossEntropy' }, optimizer: { kind: 'adam' }, metrics: ['accuracy'] },
    });
    expect(await eventsOf(service, run.id)).toMatchObject([
      { sequence: 1, type: 'status', data: { status: 'queued' } },
    ]);
    await until(() => service.tickets.includes(run.id), 'the ticket');
  });

  it('does not mind a queue that is away', async () => {
    const lonely = await startService({ queueIsAway: true });
    const answer = await submit(lonely, specFor(await upload(lonely, manyFlowers())));
    expect(answer.statusCode).toBe(201);
    expect(await lonely.db.run.count({ where: { status: 'queued' } })).toBe(1);
    await lonely.stop();
  });

  it('only checks with validateOnly, and gives the resolved request', async () => {
    const before = await service.db.run.count();
    const answer = await post(JSON.stringify(specFor(dataset)), {}, '?validateOnly=true');
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({
      name: 'flowers',
      tags: [],
      seed: 0,
      loss: { kind: 'crossEntropy' },
    });
    expect(await service.db.run.count()).toBe(before);
    const again = await post(answer.body, {}, '?validateOnly=true');
    expect(again.json()).toEqual(answer.json());
    expect(problemOf(await post(answer.body, {}, '?validateOnly=yes')).pointers).toEqual(['?validateOnly']);
  });

  describe('the spec', () => {
    const dense = (more: object) => ({ model: { layers: [{ kind: 'dense', units: 2, ...more }] } });
    it.each<[string, object, string, RegExp]>([
      ['a mistyped key', { trainnig: {} }, '#/trainnig', /did you mean "training"/],
      ['a mistyped inner key', dense({ unitz: 3 }), '#/model/layers/0/unitz', /did you mean "units"/],
      [
        'an unknown kind',
        dense({ activation: { kind: 'relo' } }),
        '#/model/layers/0/activation/kind',
        /"relu".*known/,
      ],
      [
        'an unknown layer',
        { model: { layers: [{ kind: 'densee' }] } },
        '#/model/layers/0/kind',
        /did you mean "dense"/,
      ],
      ['an unknown metric', { metrics: ['acuracy'] }, '#/metrics/0', /did you mean "accuracy"/],
      ['no units', dense({ units: 0 }), '#/model/layers/0/units', /at least 1/],
      ['negative units', dense({ units: -1 }), '#/model/layers/0/units', /at least 1/],
      ['half a unit', dense({ units: 1.5 }), '#/model/layers/0/units', /whole number/],
      ['units as text', dense({ units: 'NaN' }), '#/model/layers/0/units', /"NaN" was given/],
      ['a project of its own', { projectId: 'x' }, '#/projectId', /unknown key/],
      ['too many epochs', { training: { epochs: 1e9 } }, '#/training/epochs', /1000000/],
      ['no batch', { training: { epochs: 1, batchSize: 0 } }, '#/training/batchSize', /at least 1/],
      [
        'a batch larger than the data',
        { training: { epochs: 1, batchSize: 1000 } },
        '#/training/batchSize',
        /rows/,
      ],
      [
        'a budget of nothing',
        { training: { epochs: 1, budget: {} } },
        '#/training/budget',
        /names no limit; give seconds, epochs, or both/,
      ],
      [
        'a budget of no time',
        { training: { epochs: 1, budget: { seconds: 0 } } },
        '#/training/budget/seconds',
        /more than 0/,
      ],
      ['a seed past the integers', { seed: 2 ** 53 }, '#/seed', /9007199254740991/],
      [
        'a missing target',
        { data: { dataset: 'DATASET', target: 'knd' } },
        '#/data/target',
        /did you mean "kind"/,
      ],
      [
        'an unknown dataset',
        { data: { dataset: '018f0000-0000-7000-8000-000000000000', target: 'kind' } },
        '#/data/dataset',
        /no such dataset/,
      ],
      [
        'a dataset that is no id',
        { data: { dataset: "1' OR 1=1", target: 'kind' } },
        '#/data/dataset',
        /no such dataset/,
      ],
      ['too many tags', { tags: Array.from({ length: 33 }, (_, i) => `t${i}`) }, '#/tags', /at most 32/],
      ['numbers as metadata', { metadata: { k: 1 } }, '#/metadata/k', /1 was given where a string/],
      [
        'too much metadata',
        { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [i, ''])) },
        '#/metadata',
        /16/,
      ],
      ['a zero character', { name: 'a\u0000b' }, '#/name', /U\+0000/],
      ['half a character', { name: 'a\ud800' }, '#/name', /surrogate/],
      ['an endless name', { name: 'x'.repeat(201) }, '#/name', /at most 200/],
    ])('with %s is a 422 that points at it', async (_, more, pointer, detail) => {
      const spec = JSON.parse(JSON.stringify(specFor(dataset, more)).replace('"DATASET"', `"${dataset}"`));
      const before = await service.db.run.count();
      const answer = await submit(service, spec);
      expect(answer.statusCode, answer.body).toBe(422);
      const found = answer.json().errors.find((issue: { pointer: string }) => issue.pointer === pointer);
      expect(found?.detail, answer.body).toMatch(detail);
      expect(await service.db.run.count()).toBe(before);
    });

    it('over a limit is refused with the limit and the value, at once and without allocating', async () => {
      const huge = specFor(dataset, {
        model: {
          layers: [
            { kind: 'dense', units: 2 ** 31 },
            { kind: 'dense', units: 2 },
          ],
        },
      });
      const before = process.memoryUsage().rss;
      const answer = await submit(service, huge);
      expect(answer.statusCode).toBe(422);
      expect(answer.body).toMatch(/2147483648|parameters|2.?147/);
      expect(process.memoryUsage().rss - before).toBeLessThan(50 * 1024 * 1024);
      const deep = { layers: Array.from({ length: 10_000 }, () => ({ kind: 'dense', units: 1 })) };
      expect((await submit(service, specFor(dataset, { model: deep }))).statusCode).toBe(422);
    });

    it('of another project’s dataset is like that of none', async () => {
      const answer = await submit(service, specFor(dataset), service.stranger);
      expect(problemOf(answer)).toEqual({ status: 422, code: 'invalid-spec', pointers: ['#/data/dataset'] });
    });
  });

  describe('the body', () => {
    it.each<[string, string, number, string]>([
      ['NaN', '{"seed": NaN}', 400, 'malformed-json'],
      ['nothing', '', 400, 'malformed-json'],
      ['half a document', '{"seed": ', 400, 'malformed-json'],
      ['__proto__', '{"__proto__": {"admin": true}}', 400, 'forbidden-key'],
      ['constructor.prototype', '{"a": {"constructor": {"prototype": {}}}}', 400, 'forbidden-key'],
      ['100,000 levels', '['.repeat(100_000) + ']'.repeat(100_000), 400, 'too-deep'],
      ['a number past all doubles', '{"seed": 1e999}', 422, 'invalid-request'],
      ['a list', '[]', 422, 'invalid-request'],
      ['more than 1 MiB', `{"name": "${'x'.repeat(1024 * 1024)}"}`, 413, 'body-too-large'],
    ])('with %s is refused', async (_, body, status, code) => {
      expect(problemOf(await post(body))).toMatchObject({ status, code });
      expect(({} as Record<string, unknown>).admin).toBeUndefined();
    });

    it('of another type or compressed is refused', async () => {
      const body = JSON.stringify(specFor(dataset));
      expect(problemOf(await post(body, { 'content-type': 'text/plain' })).status).toBe(415);
      expect(problemOf(await post(body, { 'content-type': 'application/xml' })).status).toBe(415);
      expect(problemOf(await post(body, { 'content-encoding': 'gzip' })).code).toBe('unsupported-encoding');
      expect(problemOf(await post(Buffer.from([0x22, 0xff, 0x22]))).code).toBe('malformed-json');
    });
  });

  describe('the Idempotency-Key', () => {
    const runs = () => service.db.run.count();

    it('repeated gives the same answer and no second run', async () => {
      const before = await runs();
      const headers = { 'idempotency-key': 'once' };
      const first = await submit(service, specFor(dataset), headers);
      const { name, ...rest } = specFor(dataset);
      const reordered = { ...rest, name };
      const again = await submit(service, reordered, headers);
      expect(again.statusCode).toBe(201);
      expect(again.json()).toEqual(first.json());
      expect(again.headers.location).toBe(first.headers.location);
      expect(again.headers['idempotency-replayed']).toBe('true');
      expect(await runs()).toBe(before + 1);
      const other = await submit(service, specFor(dataset, { seed: 9 }), headers);
      expect(problemOf(other)).toMatchObject({ status: 422, code: 'idempotency-mismatch' });
    });

    it('sent ten times at once makes one run', async () => {
      const before = await runs();
      const headers = { 'idempotency-key': 'race' };
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => submit(service, specFor(dataset), headers)),
      );
      expect(answers.every(({ statusCode }) => statusCode === 201 || statusCode === 409)).toBe(true);
      const ids = answers.flatMap((answer) => (answer.statusCode === 201 ? [answer.json().id] : []));
      expect(new Set(ids).size).toBe(1);
      expect(await runs()).toBe(before + 1);
    });

    it('belongs to one project, and is forgotten after a day', async () => {
      const headers = { 'idempotency-key': 'day' };
      const first = await submit(service, specFor(dataset), headers);
      expect(
        problemOf(await submit(service, specFor(dataset), { ...headers, ...service.stranger })).code,
      ).toBe('invalid-spec');
      await service.db.$executeRaw`UPDATE "IdempotencyKey" SET "createdAt" = now() - interval '25 hours'`;
      const later = await submit(service, specFor(dataset), headers);
      expect(later.statusCode).toBe(201);
      expect(later.json().id).not.toBe(first.json().id);
    });

    it('has to be printable and short', async () => {
      for (const key of ['', 'x'.repeat(201)]) {
        expect(problemOf(await submit(service, specFor(dataset), { 'idempotency-key': key })).code).toBe(
          'malformed-idempotency-key',
        );
      }
    });
  });

  it('is not for keys that may only read', async () => {
    expect(problemOf(await submit(service, specFor(dataset), service.reader)).status).toBe(403);
  });
});
