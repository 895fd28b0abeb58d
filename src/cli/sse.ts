// Server-sent events that survive a lost connection: each reconnect names the last event seen,
// and what the server repeats is dropped.
import { setTimeout as pause } from 'node:timers/promises';
import { createParser, type EventSourceMessage } from 'eventsource-parser';

export interface EventStream {
  /** Opens the stream after event `lastEventId`; may throw. */
  open(lastEventId: string | null, signal: AbortSignal): Promise<Response>;
  /** Whether an error of `open` is worth another try. */
  retryable(error: unknown): boolean;
  readonly signal: AbortSignal;
  /** Told once per lost connection. */
  onReconnect?(): void;
  /** First wait between tries; doubles up to `retryMsMax`. */
  readonly retryMs?: number;
  readonly retryMsMax?: number;
  /** How long to try without a single answer. */
  readonly giveUpMs?: number;
  /** No byte, not even a heartbeat, for this long: the connection is dead. */
  readonly silenceMs?: number;
}

export interface StreamedEvent {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** Yields events until the consumer leaves, `signal` aborts, or the server has no more or stays away. */
export async function* streamEvents(stream: EventStream): AsyncGenerator<StreamedEvent, void, undefined> {
  const { retryMs = 250, retryMsMax = 5_000, giveUpMs = 120_000, silenceMs = 60_000 } = stream;
  let lastEventId: string | null = null;
  let waitMs = retryMs;
  let lastAnswerAt = performance.now();
  while (!stream.signal.aborted) {
    const connection = new AbortController();
    const signal = AbortSignal.any([stream.signal, connection.signal]);
    try {
      const response = await stream.open(lastEventId, signal);
      lastAnswerAt = performance.now();
      if (response.status === 204) return; // by the standard: nothing more will ever come
      for await (const event of readEvents(response, connection, silenceMs)) {
        lastAnswerAt = performance.now();
        if (event.id !== undefined && isOld(event.id, lastEventId)) continue;
        lastEventId = event.id ?? lastEventId;
        waitMs = retryMs;
        yield { id: event.id ?? '', event: event.event ?? 'message', data: event.data };
      }
    } catch (error) {
      if (stream.signal.aborted) return;
      const isOpen = performance.now() - lastAnswerAt < giveUpMs;
      if (!isOpen || !(stream.retryable(error) || connection.signal.aborted || isBroken(error))) throw error;
    } finally {
      connection.abort();
    }
    stream.onReconnect?.();
    await pause(waitMs, undefined, { signal: stream.signal }).catch(() => undefined);
    waitMs = Math.min(waitMs * 2, retryMsMax);
  }
}

async function* readEvents(
  response: Response,
  connection: AbortController,
  silenceMs: number,
): AsyncGenerator<EventSourceMessage, void, undefined> {
  if (!response.body) return;
  const pending: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (event) => pending.push(event) });
  const decoder = new TextDecoder();
  const silence = setTimeout(() => connection.abort(), silenceMs);
  try {
    for await (const bytes of response.body) {
      silence.refresh();
      parser.feed(decoder.decode(bytes, { stream: true }));
      yield* pending.splice(0);
    }
  } finally {
    clearTimeout(silence);
  }
}

// Sequences are numbers; a server that sends other ids is believed.
function isOld(id: string, lastEventId: string | null): boolean {
  return lastEventId !== null && Number(id) <= Number(lastEventId);
}

// undici reports a connection cut in the middle of a body as `TypeError: terminated`.
function isBroken(error: unknown): boolean {
  return error instanceof TypeError;
}
