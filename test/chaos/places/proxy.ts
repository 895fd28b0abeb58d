// A line that can be disturbed: a loopback proxy that goes silent without closing anything, as a network that drops
// every packet, or that forwards a request and drops the connection instead of the reply.
import { connect, createServer, type Socket } from 'node:net';

export interface Proxy {
  readonly port: number;
  /** Nothing gets through, in neither direction; what was sent arrives when it is over. */
  silence(): void;
  resume(): void;
  /** The next request that contains the text is forwarded; when its reply comes, the connection is cut instead. */
  loseReplyTo(text: string): void;
  /** How many replies were lost so far. */
  lost(): number;
  close(): Promise<void>;
}

/** `targets` are tried in turn for every connection: the first that takes it serves it. Any free port unless told. */
export function openProxy(targets: () => readonly number[], wantedPort = 0): Promise<Proxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  const waiting = new Set<Socket>();
  let silent = false;
  let marker: string | null = null;
  let lost = 0;

  const join = (client: Socket, server: Socket): void => {
    const pair = [client, server] as const;
    let losing = false;
    const end = () => {
      client.destroy();
      server.destroy();
      pairs.delete(pair);
    };
    pairs.add(pair);
    for (const socket of pair) socket.on('error', end).setNoDelay(true);
    // What was written is delivered before the end is.
    client.on('end', () => server.end()).on('close', () => pairs.delete(pair));
    server.on('end', () => client.end());
    client.on('data', (chunk) => {
      if (marker !== null && chunk.includes(marker)) {
        marker = null;
        losing = true;
      }
      server.write(chunk);
    });
    server.on('data', (chunk) => {
      if (losing) {
        lost++;
        end();
      } else {
        client.write(chunk);
      }
    });
    if (silent) for (const socket of pair) socket.pause();
  };

  const serve = async (client: Socket): Promise<void> => {
    for (const port of targets()) {
      const server = await dial(port);
      if (server !== null) return join(client, server);
    }
    client.destroy();
  };

  const listener = createServer({ pauseOnConnect: false }, (client) => {
    client.on('error', () => undefined);
    if (silent) waiting.add(client.pause());
    else void serve(client);
  });

  return new Promise((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(wantedPort, '127.0.0.1', () => {
      const address = listener.address();
      if (address === null || typeof address !== 'object') return reject(new Error('the proxy has no port'));
      resolve({
        port: address.port,
        silence: () => {
          silent = true;
          for (const pair of pairs) for (const socket of pair) socket.pause();
        },
        resume: () => {
          silent = false;
          for (const pair of pairs) for (const socket of pair) socket.resume();
          for (const client of waiting) void serve(client);
          waiting.clear();
        },
        loseReplyTo: (text) => {
          marker = text;
        },
        lost: () => lost,
        close: () => {
          for (const pair of pairs) for (const socket of pair) socket.destroy();
          for (const client of waiting) client.destroy();
          return new Promise((closed) => {
            listener.close(() => closed());
          });
        },
      });
    });
  });
}

function dial(port: number): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(null));
  });
}
