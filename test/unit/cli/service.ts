// A scripted HTTP server on a free port of this machine, for what the command sends and receives.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ScriptedService {
  readonly url: string;
  /** `GET /v1/runs` and so on, in the order of arrival. */
  readonly requests: IncomingMessage[];
  close(): Promise<void>;
}

export async function startScripted(
  answer: (request: IncomingMessage, response: ServerResponse, body: string) => void,
): Promise<ScriptedService> {
  const requests: IncomingMessage[] = [];
  const server = createServer(async (request, response) => {
    requests.push(request);
    let body = '';
    for await (const chunk of request) body += chunk;
    answer(request, response, body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, {
    'content-type': status < 400 ? 'application/json' : 'application/problem+json',
  });
  response.end(JSON.stringify(body));
}

const runId = '0199c0de-0000-7000-8000-000000000001';

/** A run as the service sends it. */
export function runJson(changes: object = {}): { id: string } {
  return {
    id: runId,
    name: 'digits',
    tags: [],
    metadata: {},
    status: 'running',
    stopReason: null,
    failure: null,
    epoch: 0,
    epochs: 3,
    bestEpoch: null,
    results: null,
    weightsSha256: null,
    spec: { data: { dataset: '0199c0de-0000-7000-8000-00000000000d', target: 'digit' } },
    createdAt: '2026-11-24T08:00:00.000Z',
    startedAt: null,
    finishedAt: null,
    ...changes,
  } as { id: string };
}

/** One server-sent event as text. */
export function eventText(id: number, event: string, data: unknown): string {
  return `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
