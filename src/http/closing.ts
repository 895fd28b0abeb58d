// What stopping means for connections: an answer that is under way is finished, and its connection goes with it; every
// other connection is dropped at once. Node would keep one that has not asked anything yet, or only becomes idle later,
// for as long as its timeouts last, and the server would wait for it.
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** Call it before routes are added. */
export function closeWithAnswers(app: FastifyInstance): void {
  const sockets = new Set<Socket>();
  const underWay = new Set<ServerResponse>();
  app.server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  app.addHook('onRequest', async (_request, { raw }) => {
    underWay.add(raw);
    raw.once('close', () => underWay.delete(raw));
  });
  app.addHook('preClose', async () => {
    const answering = new Set<Socket>();
    for (const response of underWay) {
      // Where the headers are not sent yet they say so.
      response.shouldKeepAlive = false;
      const { socket } = response.req;
      answering.add(socket);
      response.once('finish', () => socket.destroySoon());
    }
    for (const socket of sockets) if (!answering.has(socket)) socket.destroy();
  });
}
