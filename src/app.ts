// The HTTP service put together: every route on one screen. Owns no connection; what it is given outlives it.
import Fastify, { type FastifyInstance } from 'fastify';
import { type CsvLimits, defaultCsvLimits } from './datasets/limits.ts';
import { datasetRoutes } from './datasets/routes.ts';
import type { Database } from './db/client.ts';
import type { CreateExecutor } from './engine/kernels.ts';
import { type Authenticate, requireKey } from './http/auth.ts';
import { closeWithAnswers } from './http/closing.ts';
import { registerDocs } from './http/docs.ts';
import { createFailedKeys } from './http/failed-keys.ts';
import { healthRoutes } from './http/health-routes.ts';
import { parseJsonBodies } from './http/json-body.ts';
import { mapProblems } from './http/problems.ts';
import {
  defaultSocketLimits,
  type SocketLimits,
  serverOptions,
  watchRequests,
} from './http/server-options.ts';
import { defaultSseLimits } from './http/sse.ts';
import type { Log } from './log.ts';
import type { TicketQueue } from './queue/queue.ts';
import { controlRoutes } from './runs/control-routes.ts';
import { createEventHub } from './runs/event-hub.ts';
import { outputRoutes } from './runs/outputs-routes.ts';
import { createPredictionService } from './runs/predictions-service.ts';
import { receiptRoutes } from './runs/receipt-routes.ts';
import { runRoutes } from './runs/routes.ts';
import { createStreamServer, type StreamLimits } from './runs/stream-server.ts';
import { createTicketIssuer } from './runs/tickets.ts';

export interface AppLimits {
  readonly sockets: SocketLimits;
  readonly streams: StreamLimits;
  readonly csv: CsvLimits;
}

export const defaultAppLimits: AppLimits = {
  sockets: defaultSocketLimits,
  streams: { ...defaultSseLimits, streamsMax: 50, recheckMs: 5_000 },
  csv: defaultCsvLimits,
};

export interface AppDeps {
  readonly db: Database;
  /** For LISTEN, which needs a connection of its own; made when the first stream opens. */
  readonly databaseUrl: string;
  readonly queue: TicketQueue;
  readonly authenticate: Authenticate;
  /** What predictions run on. */
  readonly backend: CreateExecutor;
  readonly log: Log;
  /** As in package.json. */
  readonly version: string;
  readonly limits?: Partial<AppLimits>;
}

/** Not listening yet. `close()` ends every stream and leaves the given connections open. */
export async function buildApp(deps: AppDeps): Promise<FastifyInstance> {
  const { db, authenticate, log } = deps;
  const limits = { ...defaultAppLimits, ...deps.limits };
  const app = Fastify(serverOptions(log, limits.sockets)) as unknown as FastifyInstance;
  mapProblems(app);
  closeWithAnswers(app);
  parseJsonBodies(app);
  watchRequests(app, limits.sockets);
  await registerDocs(app, deps.version);

  healthRoutes(app, db);
  const hub = createEventHub(deps.databaseUrl);
  const streams = createStreamServer(app, { db, hub, authenticate, limits: limits.streams });
  const tickets = createTicketIssuer({ db, queue: deps.queue, log });
  const predictions = createPredictionService(db, deps.backend);
  await app.register(async (keyed) => {
    requireKey(keyed, authenticate, createFailedKeys());
    datasetRoutes(keyed, { db, limits: limits.csv, bodyTimeoutMs: limits.sockets.bodyTimeoutMs });
    runRoutes(keyed, { db, tickets });
    controlRoutes(keyed, { db, tickets });
    receiptRoutes(keyed, { db, tickets });
    outputRoutes(keyed, { db, streams, predictions });
  });
  return app;
}
