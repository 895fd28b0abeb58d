// The HTTP service on a database of its own, with a key of each scope; a second project to look in from.
import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import pg from 'pg';
import { type AppLimits, buildApp, defaultAppLimits } from '../../../src/app.ts';
import { createInterpreter } from '../../../src/engine/codegen/interpreter.ts';
import { createKey, hashKey, keyPrefix } from '../../../src/keys/key.ts';
import { createKeyService } from '../../../src/keys/service.ts';
import { createLog, type Log } from '../../../src/log.ts';
import type { TicketQueue } from '../../../src/queue/queue.ts';
import { type RunDatabase, runDatabase } from '../../flow/support/lifecycle.ts';

const keySecret = 'a secret that is only used by these tests';

/** An injected request has no socket that could be closed when its body is late: later than any test takes. */
const neverMs = 3_600_000;

export interface TestService extends RunDatabase {
  readonly app: FastifyInstance;
  /** Where it listens. */
  readonly origin: string;
  readonly port: number;
  /** Authorization headers. */
  readonly admin: Record<'authorization', string>;
  readonly reader: Record<'authorization', string>;
  readonly stranger: Record<'authorization', string>;
  readonly tickets: string[];
  makeKey(projectId: string, scope: 'read' | 'write' | 'admin'): Promise<{ id: string; key: string }>;
  stop(): Promise<void>;
}

interface Options {
  readonly limits?: { [Group in keyof AppLimits]?: Partial<AppLimits[Group]> };
  /** Makes every ticket fail. */
  readonly queueIsAway?: boolean;
  readonly log?: Log;
  /** Of the server to make a database on. */
  readonly serverUrl?: string;
}

export async function startService({
  limits = {},
  queueIsAway = false,
  log,
  serverUrl = process.env.TEST_DATABASE_URL ?? '',
}: Options = {}): Promise<TestService> {
  const at = await runDatabase(serverUrl);
  const { db, url } = at;
  const keys = await createKeyService({ db, dataDir: '/nonexistent', keySecret });
  const makeKey = async (projectId: string, scope: 'read' | 'write' | 'admin') => {
    const key = createKey();
    const id = randomUUID();
    const data = { id, projectId, name: scope, prefix: keyPrefix(key), hash: hashKey(key, keySecret), scope };
    await db.apiKey.create({ data });
    return { id, key };
  };
  const strangers = randomUUID();
  await db.project.create({ data: { id: strangers, name: 'strangers' } });
  const header = async (projectId: string, scope: 'read' | 'admin') => ({
    authorization: `Bearer ${(await makeKey(projectId, scope)).key}`,
  });
  const tickets: string[] = [];
  const app = await buildApp({
    db,
    databaseUrl: url,
    queue: recordingQueue(tickets, queueIsAway),
    authenticate: keys.authenticate,
    backend: createInterpreter,
    log: log ?? createLog('silent', 'test'),
    version: '0.0.0-test',
    limits: {
      sockets: { ...defaultAppLimits.sockets, bodyTimeoutMs: neverMs, ...limits.sockets },
      streams: { ...defaultAppLimits.streams, ...limits.streams },
      csv: { ...defaultAppLimits.csv, ...limits.csv },
    },
  });
  const origin = await app.listen({ host: '127.0.0.1', port: 0 });
  return {
    ...at,
    app,
    origin,
    port: Number(new URL(origin).port),
    admin: await header(at.projectId, 'admin'),
    reader: await header(at.projectId, 'read'),
    stranger: await header(strangers, 'admin'),
    tickets,
    makeKey,
    stop: async () => {
      await app.close();
      await at.drop();
    },
  };
}

/** The queue is a doorbell: what these tests want of it is whether it was rung. */
function recordingQueue(tickets: string[], isAway: boolean): TicketQueue {
  const sendAll: TicketQueue['sendAll'] = async (sent) => {
    if (isAway) throw new Error('the queue is away');
    tickets.push(...sent.map(({ runId }) => runId));
  };
  return {
    send: (runId) => sendAll([{ runId, fence: 0 }]),
    sendAll,
    receive: async () => null,
    depth: async () => 0,
    close: async () => undefined,
  };
}

export const flowers = 'length,width,kind\n5.1,3.5,red\n4.9,3.0,blue\n6.2,2.2,red\n5.5,2.4,blue\n';

/** Uploads a CSV and answers with the dataset's id. */
export async function upload(
  service: TestService,
  csv: string | Buffer = flowers,
  query = '',
): Promise<string> {
  const headers = { ...service.admin, 'content-type': 'text/csv' };
  const answer = await service.app.inject({
    method: 'POST',
    url: `/v1/datasets${query}`,
    headers,
    payload: csv,
  });
  if (answer.statusCode !== 201) throw new Error(`the upload was refused: ${answer.body}`);
  return answer.json().id;
}

/** Rows enough for every part of a split. */
export function manyFlowers(rows = 40): string {
  const lines = Array.from(
    { length: rows },
    (_, i) => `${(i % 7) + 0.5},${(i % 5) - 1},${i % 2 ? 'red' : 'blue'}`,
  );
  return `length,width,kind\n${lines.join('\n')}\n`;
}

export function specFor(dataset: string, more: object = {}): Record<string, unknown> {
  return {
    name: 'flowers',
    data: { dataset, target: 'kind' },
    model: {
      layers: [
        { kind: 'dense', units: 4, activation: { kind: 'relu' } },
        { kind: 'dense', units: 2 },
      ],
    },
    training: { epochs: 3, batchSize: 8 },
    ...more,
  };
}

export function submit(service: TestService, spec: object, headers: Record<string, string> = {}) {
  const payload = JSON.stringify(spec);
  const all = { ...service.admin, 'content-type': 'application/json', ...headers };
  return service.app.inject({ method: 'POST', url: '/v1/runs', headers: all, payload });
}

/** A queued run of a fresh dataset; its id. */
export async function submitted(service: TestService, more: object = {}): Promise<string> {
  const answer = await submit(service, specFor(await upload(service, manyFlowers()), more));
  if (answer.statusCode !== 201) throw new Error(`the run was refused: ${answer.body}`);
  return answer.json().id;
}

/** Nobody can read runs until `release` is called. */
export async function lockRuns(service: TestService): Promise<{ release(): Promise<void> }> {
  const client = new pg.Client({ connectionString: service.url });
  await client.connect();
  await client.query('BEGIN; LOCK TABLE "Run" IN ACCESS EXCLUSIVE MODE');
  return { release: () => client.end() };
}

/** Codes and pointers of a problem, for short expectations. */
export function problemOf(answer: { statusCode: number; headers: object; json(): unknown }) {
  const body = answer.json() as {
    code: string;
    status: number;
    errors: { pointer: string; detail: string }[];
  };
  return { status: answer.statusCode, code: body.code, pointers: body.errors.map(({ pointer }) => pointer) };
}
