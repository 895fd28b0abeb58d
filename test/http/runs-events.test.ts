import { once } from 'node:events';
import { connect } from 'node:net';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { appendEvents } from '../../src/runs/events-store.ts';
import { claimRun, type Hold } from '../../src/runs/lease-store.ts';
import { commitEpochs } from '../../src/runs/progress-store.ts';
import type { RunEvent } from '../../src/runs/schema.ts';
import { claimant, until } from '../flow/support/lifecycle.ts';
import { lockRuns, problemOf, startService, submitted, type TestService } from './support/service.ts';

interface Reader {
  readonly status: number;
  readonly events: EventSourceMessage[];
  readonly comments: string[];
  /** Resolves when the server ends or drops the stream. */
  readonly ended: Promise<'ended' | 'dropped'>;
  leave(): void;
}

describe('GET /v1/runs/{id}/events', () => {
  let service: TestService;
  const readers: Reader[] = [];

  beforeAll(async () => {
    service = await startService({
      limits: { streams: { streamsMax: 3, heartbeatMs: 50, recheckMs: 100, stallMs: 300 } },
    });
  });
  afterEach(() => {
    for (const reader of readers.splice(0)) reader.leave();
  });
  afterAll(() => service.stop());

  const append = (id: string, events: Parameters<typeof appendEvents>[2]) =>
    service.db.$transaction((tx) => appendEvents(tx, id, events));
  /** As a worker does: another status event is told. */
  async function claim(id: string): Promise<Hold> {
    const claimed = await claimRun(service.sql, id, claimant());
    if (claimed === null) throw new Error('the run could not be claimed');
    return claimed.hold;
  }
  const commit = (hold: Hold, ...numbers: number[]) =>
    commitEpochs(service.sql, hold, {
      epochs: numbers.map((epoch) => ({
        ...{ epoch, metrics: { loss: 1 / epoch }, diverged: false, bestEpoch: epoch, etaSeconds: 0.5 },
        ...{ weightsSha256: '', chainSha256: '', durationMs: 1 },
      })),
      checkpoint: null,
    });
  const epochData = (n: number) => ({ epoch: n, epochs: 3, metrics: { loss: 1 / n }, etaSeconds: 0.5 });
  const log = { type: 'log' as const, data: { message: 'something' } };
  const done = {
    type: 'done' as const,
    data: { status: 'succeeded', stopReason: 'completed', results: null, weightsSha256: null },
  };

  async function open(id: string, headers: Record<string, string> = {}): Promise<Reader> {
    const abort = new AbortController();
    const response = await fetch(`${service.origin}/v1/runs/${id}/events`, {
      headers: { ...service.admin, accept: 'text/event-stream', ...headers },
      signal: abort.signal,
    });
    const events: EventSourceMessage[] = [];
    const comments: string[] = [];
    const parser = createParser({
      onEvent: (event) => events.push(event),
      onComment: (text) => comments.push(text),
    });
    const read = async () => {
      const decoder = new TextDecoder();
      for await (const bytes of response.body ?? []) parser.feed(decoder.decode(bytes, { stream: true }));
    };
    const ended = read().then(
      () => 'ended' as const,
      () => 'dropped' as const,
    );
    const reader = { status: response.status, events, comments, ended, leave: () => abort.abort() };
    readers.push(reader);
    return reader;
  }

  it('replays what was, goes on live, and ends with done', async () => {
    const id = await submitted(service);
    const hold = await claim(id);
    await commit(hold, 1);
    const reader = await open(id);
    await until(() => reader.events.length === 3, 'the replay');
    await commit(hold, 2);
    await append(id, [log]);
    await commit(hold, 3);
    await append(id, [done]);
    expect(await reader.ended).toBe('ended');
    expect(reader.events.map(({ id, event }) => `${id} ${event}`)).toEqual([
      '1 status',
      '2 status',
      '3 epoch',
      '4 epoch',
      '5 log',
      '6 epoch',
      '7 done',
    ]);
    expect(JSON.parse(reader.events[2]?.data ?? '')).toEqual(epochData(1));
  });

  it('goes on after Last-Event-ID, and says that there will be no more after the end', async () => {
    const id = await submitted(service);
    await commit(await claim(id), 1, 2);
    await append(id, [done]);
    await service.db.run.update({ where: { id }, data: { status: 'succeeded' } });
    const reader = await open(id, { 'last-event-id': '3' });
    expect(await reader.ended).toBe('ended');
    expect(reader.events.map(({ id }) => id)).toEqual(['4', '5']);
    expect((await open(id, { 'last-event-id': '5' })).status).toBe(204);
  });

  it.each(['abc', '-1', '1.5', '99', '1e3', '99999999999999999999'])(
    'refuses the forged Last-Event-ID %s',
    async (forged) => {
      expect((await open(await submitted(service), { 'last-event-id': forged })).status).toBe(400);
    },
  );

  it('shows that it is alive while nothing happens', async () => {
    const reader = await open(await submitted(service));
    await until(() => reader.comments.length >= 2, 'heartbeats');
  });

  it('gives a key so many streams and no more, until one is closed', async () => {
    const id = await submitted(service);
    const open3 = await Promise.all([open(id), open(id), open(id)]);
    expect((await open(id)).status).toBe(429);
    expect((await open(id, service.reader)).status).toBe(200);
    open3[0]?.leave();
    await until(async () => (await open(id)).status === 200, 'the free place');
  });

  it('takes no place for readers that left before it was opened', async () => {
    const id = await submitted(service);
    const lock = await lockRuns(service);
    for (let i = 0; i < 3; i++) {
      const abort = new AbortController();
      const arrived = once(service.app.server, 'request');
      const headers = { ...service.admin, accept: 'text/event-stream' };
      const left = fetch(`${service.origin}/v1/runs/${id}/events`, { headers, signal: abort.signal });
      const [, response] = await arrived;
      const noticed = once(response, 'close');
      abort.abort();
      await Promise.all([noticed, left.catch(() => null)]);
    }
    await lock.release();
    await until(async () => (await open(id)).status === 200, 'a place');
  });

  it('ends within moments of its key being revoked', async () => {
    const { id: keyId, key } = await service.makeKey(service.projectId, 'read');
    const reader = await open(await submitted(service), { authorization: `Bearer ${key}` });
    expect(reader.status).toBe(200);
    await service.db.apiKey.update({ where: { id: keyId }, data: { revokedAt: new Date() } });
    expect(await reader.ended).toBe('ended');
  });

  it('drops a reader that does not read', async () => {
    const own = await startService({ limits: { streams: { stallMs: 300 } } });
    const id = await submitted(own);
    const data = Array.from({ length: 400 }, (_, i) => ({
      runId: id,
      sequence: i + 2,
      type: 'log',
      data: { message: 'x'.repeat(64 * 1024) },
    }));
    await own.db.runEvent.createMany({ data });
    const socket = connect(own.port, '127.0.0.1').pause();
    socket.on('error', () => undefined);
    const before = process.memoryUsage().rss;
    socket.write(
      `GET /v1/runs/${id}/events HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\nauthorization: ${own.admin.authorization}\r\n\r\n`,
    );
    const connections = () =>
      new Promise<number>((resolve) => own.app.server.getConnections((_, count) => resolve(count)));
    await until(async () => (await connections()) > 0, 'the connection');
    await until(async () => (await connections()) === 0, 'the drop');
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
    socket.destroy();
    await own.stop();
  });

  it('is a page of the same events without that Accept', async () => {
    const id = await submitted(service);
    await commit(await claim(id), 1, 2);
    const list = async (query: string) =>
      (await service.app.inject({ url: `/v1/runs/${id}/events${query}`, headers: service.admin })).json<{
        data: RunEvent[];
        hasMore: boolean;
        nextCursor: string | null;
      }>();
    const first = await list('?limit=3');
    const createdAt = expect.any(String);
    expect(first.data).toEqual([
      { sequence: 1, type: 'status', data: { status: 'queued' }, createdAt },
      { sequence: 2, type: 'status', data: { status: 'running' }, createdAt },
      { sequence: 3, type: 'epoch', data: epochData(1), createdAt },
    ]);
    const second = await list(`?limit=3&cursor=${first.nextCursor}`);
    expect(second).toEqual({
      data: [{ sequence: 4, type: 'epoch', data: epochData(2), createdAt }],
      hasMore: false,
      nextCursor: null,
    });
    const forged = await service.app.inject({
      url: `/v1/runs/${id}/events?cursor=zz`,
      headers: service.admin,
    });
    expect(problemOf(forged)).toMatchObject({ status: 422, pointers: ['?cursor'] });
  });

  it('knows nothing for another project', async () => {
    const id = await submitted(service);
    expect((await open(id, service.stranger)).status).toBe(404);
  });

  it('does not keep the service from stopping', async () => {
    const own = await startService();
    const id = await submitted(own);
    const response = await fetch(`${own.origin}/v1/runs/${id}/events`, {
      headers: { ...own.admin, accept: 'text/event-stream' },
    });
    const reader = (response.body ?? new ReadableStream<Uint8Array>()).getReader();
    let text = '';
    const read = async () => {
      const { value, done } = await reader.read();
      text += new TextDecoder().decode(value);
      return done;
    };
    while (!text.includes('event: status')) await read();
    await own.stop();
    await until(read, 'the end of the stream');
  });
});
