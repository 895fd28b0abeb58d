// The service's routes as the command uses them: one function each, answers parsed at this edge.
import type { z } from 'zod';
import { type Client, createClient } from './client.ts';
import { CliFailure, usageFailure } from './failure.ts';
import { type ServiceAddress, ServiceFailure } from './problem.ts';
import { type StreamedEvent, streamEvents } from './sse.ts';
import {
  datasetSchema,
  eventSchema,
  pageOf,
  predictionsSchema,
  readAnswer,
  runSchema,
  verificationSchema,
  type WireDataset,
  type WireEvent,
  type WirePrediction,
  type WireRun,
  type WireVerification,
} from './wire.ts';

export type ControlAction = 'cancel' | 'pause' | 'resume';

export interface Api {
  readonly address: ServiceAddress;
  uploadDataset(csv: Uint8Array<ArrayBuffer>, name: string): Promise<WireDataset>;
  getDataset(id: string): Promise<WireDataset | null>;
  createRun(spec: unknown): Promise<WireRun>;
  listRuns(filter: { status?: string; limit: number }): Promise<WireRun[]>;
  /** `last` means the newest run. */
  getRun(idOrLast: string): Promise<WireRun>;
  /** Cancel, pause or resume; the run as it is then. */
  controlRun(id: string, action: ControlAction): Promise<WireRun>;
  /** Queued; ask for it again until it is done. */
  verifyRun(id: string, range: object): Promise<WireVerification>;
  getVerification(runId: string, id: string): Promise<WireVerification>;
  predict(id: string, rows: readonly object[]): Promise<WirePrediction[]>;
  weights(id: string): Promise<{ bytes: Uint8Array; sha256: string | null }>;
  /** The events stored so far, from the first. */
  pastEvents(id: string): Promise<WireEvent[]>;
  /** Every event of the run from the first, then live; reconnects by itself. */
  events(id: string, signal: AbortSignal, onReconnect: () => void): AsyncGenerator<StreamedEvent>;
  /** False when nothing healthy answers at the address within two seconds. */
  isReady(): Promise<boolean>;
}

export function createApi(address: ServiceAddress): Api {
  const client = createClient(address);
  const list = async <Row>(
    path: string,
    row: z.ZodType<Row>,
    limit: number,
    filter: Record<string, string>,
  ) => {
    const rows: Row[] = [];
    let cursor: string | null = null;
    do {
      const query = new URLSearchParams({ ...filter, limit: String(Math.min(limit - rows.length, 100)) });
      if (cursor !== null) query.set('cursor', cursor);
      const page = readAnswer(pageOf(row), await client.json('GET', `${path}?${query}`));
      rows.push(...page.data);
      cursor = page.hasMore ? page.nextCursor : null;
    } while (cursor !== null && rows.length < limit);
    return rows;
  };
  const listRuns: Api['listRuns'] = ({ status, limit }) =>
    list('/v1/runs', runSchema, limit, status === undefined ? {} : { status });
  return {
    address,
    async uploadDataset(csv, name) {
      const headers = { 'content-type': 'text/csv' };
      const path = `/v1/datasets?${new URLSearchParams({ name })}`;
      return readAnswer(datasetSchema, await client.json('POST', path, { body: csv, headers }));
    },
    async getDataset(id) {
      try {
        return readAnswer(datasetSchema, await client.json('GET', `/v1/datasets/${encodeURIComponent(id)}`));
      } catch (error) {
        if (error instanceof ServiceFailure && error.status === 404) return null;
        throw error;
      }
    },
    createRun: async (spec) => readAnswer(runSchema, await sendJson(client, '/v1/runs', spec)),
    listRuns,
    async getRun(idOrLast) {
      if (idOrLast !== 'last') return readAnswer(runSchema, await client.json('GET', runPath(idOrLast)));
      const [newest] = await listRuns({ limit: 1 });
      if (!newest) throw new CliFailure('There is no run yet.');
      return readAnswer(runSchema, await client.json('GET', runPath(newest.id)));
    },
    controlRun: async (id, action) =>
      readAnswer(runSchema, await client.json('POST', `${runPath(id)}/${action}`)),
    verifyRun: async (id, range) =>
      readAnswer(verificationSchema, await sendJson(client, `${runPath(id)}/verify`, range)),
    getVerification: async (runId, id) =>
      readAnswer(verificationSchema, await client.json('GET', `${runPath(runId)}/verifications/${id}`)),
    async predict(id, rows) {
      const answer = await sendJson(client, `${runPath(id)}/predictions`, { rows });
      return readAnswer(predictionsSchema, answer).predictions;
    },
    async weights(id) {
      const response = await client.request('GET', `${runPath(id)}/weights?format=safetensors`, {
        headers: { accept: 'application/octet-stream, application/json' },
      });
      const sha256 = response.headers.get('etag')?.replaceAll('"', '') ?? null;
      return { bytes: new Uint8Array(await response.arrayBuffer()), sha256 };
    },
    pastEvents: (id) => list(`${runPath(id)}/events`, eventSchema, Number.POSITIVE_INFINITY, {}),
    events: (id, signal, onReconnect) =>
      streamEvents({
        signal,
        onReconnect,
        open: (lastEventId, openSignal) =>
          client.request('GET', `${runPath(id)}/events`, {
            signal: openSignal,
            headers: {
              accept: 'text/event-stream',
              ...(lastEventId === null ? {} : { 'last-event-id': lastEventId }),
            },
          }),
        retryable: (error) =>
          error instanceof ServiceFailure ? error.retryable : error instanceof CliFailure,
      }),
    async isReady() {
      try {
        await client.request('GET', '/readyz', { signal: AbortSignal.timeout(2_000) });
        return true;
      } catch {
        return false;
      }
    },
  };
}

function sendJson(client: Client, path: string, body: unknown): Promise<unknown> {
  const headers = { 'content-type': 'application/json' };
  return client.json('POST', path, { body: JSON.stringify(body), headers });
}

function runPath(id: string): string {
  if (!/^[0-9a-f-]{36}$/i.test(id)) {
    throw usageFailure(`"${id}" is not a run's id. \`trainyard runs\` lists them; \`last\` is the newest.`);
  }
  return `/v1/runs/${id}`;
}
