// The way from a worker to one of the servers, which an experiment interrupts: nothing gets through, and nothing is
// closed. In a network namespace packets are dropped; where there is none, a silent loopback proxy plays the network.
import type { Network, Wire } from './places/network.ts';
import { openProxy } from './places/proxy.ts';
import type { ServiceOptions } from './service.ts';

export interface Line {
  /** How the worker at its end is started. */
  readonly worker: Required<Pick<ServiceOptions, 'env'>> & ServiceOptions;
  silence(): void;
  resume(): void;
  close(): Promise<void>;
}

export interface Servers {
  /** Null where none can be had. */
  readonly network: Network | null;
  readonly databaseUrl: string;
  readonly redisUrl: string | null;
}

export async function openLine(to: Wire, servers: Servers): Promise<Line> {
  const urls = { postgres: servers.databaseUrl, redis: servers.redisUrl ?? '' };
  const { network } = servers;
  if (urls[to] === '') throw new Error(`there is no ${to} to lay a line to`);
  return network === null ? throughProxy(to, urls) : insideNetwork(to, urls, network);
}

type Urls = Readonly<Record<Wire, string>>;

const names = { postgres: 'DATABASE_URL', redis: 'REDIS_URL' } as const;

async function throughProxy(to: Wire, urls: Urls): Promise<Line> {
  const url = new URL(urls[to]);
  const target = Number(url.port);
  const proxy = await openProxy(() => [target]);
  url.port = String(proxy.port);
  return { ...proxy, worker: { env: { [names[to]]: url.href } } };
}

function insideNetwork(to: Wire, urls: Urls, network: Network): Line {
  const through = (wire: Wire) => {
    if (urls[wire] === '') return '';
    const url = new URL(urls[wire]);
    url.hostname = network.addressOf(wire);
    return url.href;
  };
  return {
    worker: { network, env: { [names.postgres]: through('postgres'), [names.redis]: through('redis') } },
    silence: () => network.drop(to),
    resume: () => network.pass(to),
    close: async () => network.pass(to),
  };
}
