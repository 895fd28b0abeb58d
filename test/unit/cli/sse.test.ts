import { afterEach, describe, expect, it } from 'vitest';
import { type EventStream, type StreamedEvent, streamEvents } from '../../../src/cli/sse.ts';
import { eventText, type ScriptedService, startScripted } from './service.ts';

let service: ScriptedService | undefined;
afterEach(() => service?.close());

type Handler = Parameters<typeof startScripted>[0];

async function collect(answer: Handler, options: Partial<EventStream> = {}): Promise<StreamedEvent[]> {
  const scripted = await startScripted(answer);
  service = scripted;
  const events: StreamedEvent[] = [];
  const stream = streamEvents({
    signal: new AbortController().signal,
    retryMs: 1,
    retryable: () => true,
    open: (lastEventId, signal) =>
      fetch(scripted.url, { signal, headers: lastEventId === null ? {} : { 'last-event-id': lastEventId } }),
    ...options,
  });
  for await (const event of stream) {
    events.push(event);
    if (event.event === 'done') break;
  }
  return events;
}

describe('streamEvents', () => {
  it('reads events that arrive cut anywhere, heartbeats between them', async () => {
    const events = await collect((_request, response) => {
      response.write('id: 1\nevent: ep');
      response.write('och\ndata: {"a":"é"}\n\n: heartbeat\n\n');
      response.end(eventText(2, 'done', {}));
    });
    expect(events).toEqual([
      { id: '1', event: 'epoch', data: '{"a":"é"}' },
      { id: '2', event: 'done', data: '{}' },
    ]);
  });

  it('goes on after the last event seen when the connection breaks, and drops what comes twice', async () => {
    const asked: (string | undefined)[] = [];
    let reconnects = 0;
    const events = await collect(
      (request, response) => {
        const last = request.headers['last-event-id'];
        asked.push(typeof last === 'string' ? last : undefined);
        if (asked.length === 1) {
          response.write(eventText(1, 'epoch', { epoch: 1 }) + eventText(2, 'epoch', { epoch: 2 }), () =>
            response.destroy(),
          );
        } else if (asked.length === 2) {
          response.end(eventText(2, 'epoch', { epoch: 2 }) + eventText(3, 'epoch', { epoch: 3 }));
        } else {
          response.end(eventText(4, 'done', {}));
        }
      },
      { onReconnect: () => reconnects++ },
    );
    expect(events.map((event) => event.id)).toEqual(['1', '2', '3', '4']);
    expect(asked).toEqual([undefined, '2', '3']);
    expect(reconnects).toBe(2);
  });

  it('reconnects when not even a heartbeat comes', async () => {
    let calls = 0;
    const events = await collect(
      (_request, response) => {
        calls++;
        if (calls === 1) response.write(eventText(1, 'status', {}));
        else response.end(eventText(2, 'done', {}));
      },
      { silenceMs: 50 },
    );
    expect(events.map((event) => event.event)).toEqual(['status', 'done']);
  });

  it('ends when the server says that nothing more will come', async () => {
    let calls = 0;
    const events = await collect((_request, response) => {
      calls++;
      if (calls === 1) return void response.end(eventText(1, 'status', {}));
      response.writeHead(204).end();
    });
    expect(events.map((event) => event.id)).toEqual(['1']);
  });

  it('gives the error on when another try is pointless', async () => {
    const refused = new Error('401');
    const stream = { retryable: (error: unknown) => error !== refused, open: () => Promise.reject(refused) };
    await expect(collect((_request, response) => void response.end(), stream)).rejects.toBe(refused);
  });

  it('gives up after a while without any answer', async () => {
    const away = new Error('away');
    const stream = { giveUpMs: 20, open: () => Promise.reject(away) };
    await expect(collect((_request, response) => void response.end(), stream)).rejects.toBe(away);
  });

  it('ends quietly when the watcher leaves', async () => {
    const leaving = new AbortController();
    const events = await collect(
      (_request, response) => {
        response.write(eventText(1, 'epoch', {}), () => leaving.abort());
      },
      { signal: leaving.signal },
    );
    expect(events.length).toBeLessThanOrEqual(1);
  });
});
