// What stopping means for connections: an answer that is under way is finished, and its connection goes with it.
// Node closes the connections that are idle when the server closes; one that only becomes idle later would be kept
// for its next request, and the server would wait for that as long as keep-alive lasts.
import type { ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';

/** Call it before routes are added. */
export function closeWithAnswers(app: FastifyInstance): void {
  const underWay = new Set<ServerResponse>();
  app.addHook('onRequest', async (_request, { raw }) => {
    underWay.add(raw);
    raw.once('close', () => underWay.delete(raw));
  });
  app.addHook('preClose', async () => {
    for (const response of underWay) {
      // Where the headers are not sent yet they say so.
      response.shouldKeepAlive = false;
      const { socket } = response.req;
      response.once('finish', () => socket.destroySoon());
    }
  });
}
