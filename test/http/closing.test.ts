// Stopping the service: whoever is being answered gets the answer, and nobody's open connection is waited for.
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { appendEvents } from '../../src/runs/events-store.ts';
import { sha256, until } from '../flow/support/lifecycle.ts';
import { lockRuns, startService, submitted, type TestService } from './support/service.ts';

const done = {
  type: 'done' as const,
  data: { status: 'succeeded', stopReason: 'completed', results: null, weightsSha256: null },
};

/** Fastify keeps an idle connection for 72 s. */
const closeMsMax = 5_000;

function stream(service: TestService, id: string): Promise<Response> {
  return fetch(`${service.origin}/v1/runs/${id}/events`, {
    headers: { ...service.admin, accept: 'text/event-stream' },
  });
}

async function closeMs(service: TestService): Promise<number> {
  const startedAt = performance.now();
  await service.app.close();
  return performance.now() - startedAt;
}

describe('closing the service', () => {
  it('ends open event streams', async () => {
    const service = await startService();
    const response = await stream(service, await submitted(service));
    const reader = (response.body ?? new ReadableStream<Uint8Array>()).getReader();
    let text = '';
    while (!text.includes('event: status')) text += new TextDecoder().decode((await reader.read()).value);
    expect(await closeMs(service)).toBeLessThan(closeMsMax);
    while (!(await reader.read()).done) {}
    await service.drop();
  });

  it('does not wait for the connection of a stream that ended', async () => {
    const service = await startService();
    const id = await submitted(service);
    const response = await stream(service, id);
    await service.db.$transaction((tx) => appendEvents(tx, id, [done]));
    expect(await response.text()).toContain('event: done');
    expect(await closeMs(service)).toBeLessThan(closeMsMax);
    await service.drop();
  });

  it('does not wait for a connection that asks nothing, or half a question', async () => {
    const service = await startService();
    for (const words of ['', 'GET /v1/runs HTTP/1.1\r\nhost: x\r\n']) {
      const accepted = once(service.app.server, 'connection');
      const socket = connect(service.port, '127.0.0.1').on('error', () => undefined);
      socket.write(words);
      await accepted;
    }
    expect(await closeMs(service)).toBeLessThan(closeMsMax);
    await service.drop();
  });

  it.each(['text/event-stream', 'application/json'])(
    'answers a request for %s that is under way, and does not wait for its connection',
    async (accept) => {
      const service = await startService();
      const id = await submitted(service);
      const lock = await lockRuns(service);
      const arrived = once(service.app.server, 'request');
      const answer = fetch(`${service.origin}/v1/runs/${id}/events`, {
        headers: { ...service.admin, accept },
      });
      await arrived;
      const closed = closeMs(service);
      await lock.release();
      const response = await answer;
      expect(response.status).toBe(accept === 'application/json' ? 200 : 503);
      expect(response.headers.get('connection')).toBe('close');
      await response.text();
      expect(await closed).toBeLessThan(closeMsMax);
      await service.drop();
    },
    90_000,
  );

  it('lets a download end, and does not wait for its connection', async () => {
    const service = await startService();
    const runId = await submitted(service);
    // More than the sockets' buffers take.
    const bytes = new Uint8Array(24 * 1024 * 1024).fill(7);
    const checkpoint = { epoch: 1, stepsWithin: 0, sha256: sha256(bytes), byteLength: bytes.length, bytes };
    await service.db.checkpoint.create({ data: { runId, role: 'model', ...checkpoint } });
    const response = await fetch(`${service.origin}/v1/runs/${runId}/weights`, { headers: service.admin });
    const reader = (response.body ?? new ReadableStream<Uint8Array>()).getReader();
    let length = (await reader.read()).value?.length ?? 0;
    const closed = closeMs(service);
    await until(async () => (await fetch(service.origin).catch(() => null)) === null, 'the closed door');
    for (let part = await reader.read(); !part.done; part = await reader.read()) length += part.value.length;
    expect(length).toBe(bytes.length);
    expect(await closed).toBeLessThan(closeMsMax);
    await service.drop();
  }, 90_000);
});
