// How the socket side is set up: what never becomes a request is refused here, in the same shape of answer as
// everything else, and nobody can hold a connection open by sending slowly.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import {
  type FastifyBaseLogger,
  type FastifyHttpOptions,
  type FastifyInstance,
  LogController,
} from 'fastify';
import { catalogue, type ProblemCode, problem } from '../errors.ts';
import { problemBody, problemMediaType, sendProblem, toProblem } from './problems.ts';

export const jsonBodyBytesMax = 1024 * 1024;
const headerBytesMax = 16 * 1024;

export interface SocketLimits {
  /** Headers have to be complete by then. */
  readonly headersTimeoutMs: number;
  /** A JSON body has to be complete by then; a streamed upload has to bring something within each such time. */
  readonly bodyTimeoutMs: number;
}

export const defaultSocketLimits: SocketLimits = { headersTimeoutMs: 8_000, bodyTimeoutMs: 8_000 };

/** Everything Fastify is told when it is made. */
export function serverOptions(log: FastifyBaseLogger, limits: SocketLimits): FastifyHttpOptions<Server> {
  return {
    loggerInstance: log,
    // One line per request is written below, without the address.
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: (request: IncomingMessage) => requestId(request.headers['x-request-id']),
    requestIdHeader: false,
    bodyLimit: jsonBodyBytesMax,
    trustProxy: false,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 200 },
    http: {
      maxHeaderSize: headerBytesMax,
      headersTimeout: limits.headersTimeoutMs,
      // Bodies have a clock of their own; this one only ends what outlives every upload.
      requestTimeout: 3_600_000,
      connectionsCheckingInterval: 1_000,
    },
    requestTimeout: 3_600_000,
    clientErrorHandler: refuseConnection,
    frameworkErrors: (error, request, reply) => {
      void sendProblem(request, reply, toProblem(error, request));
    },
  };
}

/** A client's own id, where it is one that can be put into a header and a log; a fresh one otherwise. */
function requestId(given: string | string[] | undefined): string {
  return typeof given === 'string' && /^[\w.:+/=-]{1,128}$/.test(given) ? given : randomUUID();
}

/** Ends JSON bodies that do not arrive, and echoes the request's id. */
export function watchRequests(app: FastifyInstance, { bodyTimeoutMs }: SocketLimits): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
    const encoding = request.headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') {
      throw problem('unsupported-encoding', `Send the body as it is, without Content-Encoding.`);
    }
    if (request.routeOptions.config.streamsBody === true || !hasBody(request.raw)) return;
    const clock = setTimeout(() => {
      if (!request.raw.complete)
        refuse(request.raw.socket, 'request-timeout', 'The body did not arrive in time.');
    }, bodyTimeoutMs);
    request.raw.once('end', () => clearTimeout(clock));
    request.raw.once('close', () => clearTimeout(clock));
  });
  app.addHook('onResponse', async (request, reply) => {
    const { statusCode } = reply;
    const level = statusCode >= 500 ? 'error' : 'info';
    // The route's pattern and no query: neither a key nor a client's text gets into the log this way.
    request.log[level](
      {
        method: request.method,
        route: request.routeOptions.url ?? null,
        statusCode,
        durationMs: Math.round(reply.elapsedTime * 10) / 10,
        ...(request.principal ? { keyId: request.principal.keyId } : {}),
      },
      'answered',
    );
  });
}

/** RFC 9112 §6.3: a request has a body when one of these says so. */
function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The handler reads the body itself, and keeps the time. */
    streamsBody?: boolean;
  }
}

/** What Node's own parser or its header clock refused. */
function refuseConnection(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) {
    socket.destroy();
    return;
  }
  if (error.code === 'HPE_HEADER_OVERFLOW') {
    refuse(socket, 'header-too-large', `The headers may have ${headerBytesMax} bytes together.`);
  } else if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    refuse(socket, 'request-timeout', 'The request did not arrive in time.');
  } else {
    refuse(socket, 'malformed-request', 'The request could not be read.');
  }
}

/** Writes a whole answer by hand and closes: there may be no request to reply to. */
export function refuse(socket: Socket, code: ProblemCode, detail: string): void {
  if (socket.destroyed) return;
  const { status, title } = catalogue[code];
  const body = JSON.stringify(problemBody(problem(code, detail), '', randomUUID()));
  const head = [
    `HTTP/1.1 ${status} ${title}`,
    `content-type: ${problemMediaType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  socket.destroySoon();
}
