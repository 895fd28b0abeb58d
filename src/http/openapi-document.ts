// The OpenAPI document without a running service.
import { buildApp } from '../app.ts';
import { createDatabase } from '../db/client.ts';
import { createLog } from '../log.ts';
import type { TicketQueue } from '../queue/queue.ts';

/** The text of openapi.json: the routes are registered and described, nothing is connected. */
export async function describeApi(version: string): Promise<string> {
  const databaseUrl = 'postgres://nobody@localhost/none';
  const db = createDatabase(databaseUrl);
  const unused = () => Promise.reject(new Error('only the routes’ schemas are of interest here'));
  const queue: TicketQueue = { send: unused, sendAll: unused, receive: unused, depth: unused, close: unused };
  const app = await buildApp({
    db,
    databaseUrl,
    queue,
    authenticate: async () => null,
    backend: () => {
      throw new Error('nothing is predicted here');
    },
    log: createLog('silent', 'openapi'),
    version,
  });
  try {
    await app.ready();
    return `${JSON.stringify(app.swagger(), null, 2)}\n`;
  } finally {
    await app.close();
    await db.$disconnect();
  }
}
