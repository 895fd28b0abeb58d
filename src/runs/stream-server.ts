// Opens event streams: who may, from which event, and how many at a time. Knows every open one, to close them
// when the service stops.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Database } from '../db/client.ts';
import { problem } from '../errors.ts';
import { type Authenticate, principalOf } from '../http/auth.ts';
import { openSse, type SseLimits, type SseStream } from '../http/sse.ts';
import type { EventHub } from './event-hub.ts';
import { getRunProgress } from './store.ts';
import { createStreamQuota, streamEvents } from './stream.ts';

export interface StreamLimits extends SseLimits {
  /** Of one key at a time. */
  readonly streamsMax: number;
  /** How often a stream's key is checked again. */
  readonly recheckMs: number;
}

export interface StreamServer {
  open(request: FastifyRequest, reply: FastifyReply, runId: string): Promise<FastifyReply>;
}

interface StreamDeps {
  readonly db: Database;
  readonly hub: EventHub;
  readonly authenticate: Authenticate;
  readonly limits: StreamLimits;
}

/** Ends with `app`: its streams would keep it from closing. */
export function createStreamServer(app: FastifyInstance, deps: StreamDeps): StreamServer {
  const { db, hub, authenticate, limits } = deps;
  const quota = createStreamQuota(limits.streamsMax);
  const open = new Set<SseStream>();
  let stopping = false;

  app.addHook('preClose', async () => {
    stopping = true;
    for (const stream of open) stream.sendAway();
    await hub.close();
  });

  return {
    async open(request, reply, runId) {
      const { projectId, keyId } = principalOf(request);
      const run = await getRunProgress(db, projectId, runId);
      const afterSequence = parseEventId(request.headers['last-event-id'], run.eventSequence);
      // An EventSource comes back after every end; 204 is how it is told not to.
      if (run.ended && afterSequence > 0 && afterSequence === run.eventSequence)
        return reply.code(204).send();
      if (stopping)
        throw problem('unavailable', 'The service is stopping.', { headers: { 'retry-after': '5' } });
      const place = quota.open(keyId);
      if (place === null) {
        throw problem('too-many-streams', `A key may have ${limits.streamsMax} streams open at a time.`, {
          headers: { 'retry-after': '5' },
        });
      }
      reply.hijack();
      const stream = openSse(reply.raw, reply.getHeaders(), limits);
      open.add(stream);
      // Another key on the same connection is no reason to go on: the header is the one it was opened with.
      const { authorization } = request.headers;
      const mayGoOn = async () => (await authenticate(authorization))?.projectId === projectId;
      const options = { mayGoOn, recheckMs: limits.recheckMs };
      streamEvents({ db, hub }, stream, { projectId, id: runId, afterSequence }, options)
        .catch((error: unknown) => request.log.warn({ err: error, runId }, 'an event stream broke off'))
        .finally(() => {
          open.delete(stream);
          place.close();
        });
      return reply;
    },
  };
}

/** Anything that is not the sequence of an event the run has is refused. */
function parseEventId(header: string | string[] | undefined, sequenceMax: number): number {
  if (header === undefined || header === '') return 0;
  if (typeof header === 'string' && /^\d{1,10}$/.test(header) && Number(header) <= sequenceMax)
    return Number(header);
  throw problem(
    'malformed-event-id',
    'Send the id of the last event received, or none to start from the first.',
  );
}
