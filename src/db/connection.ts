// What every connection to Postgres that lasts has in common.
import pg from 'pg';

/** Seconds; together a minute. */
const keepalives = { tcp_keepalives_idle: 30, tcp_keepalives_interval: 10, tcp_keepalives_count: 3 };

/**
 * For pg and what stands on it. A database that is away is an error after 5 s. A client that vanishes without a word
 * gives its session's place back within a minute; by itself Postgres would keep it for two hours, and has a hundred.
 */
export function connectionTo(url: string) {
  return {
    connectionString: url,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    options: Object.entries(keepalives)
      .map(([name, seconds]) => `-c ${name}=${seconds}`)
      .join(' '),
  };
}

/**
 * For a pool: a connection that breaks between two statements, while it is lent out, tells the next of them. With
 * nobody to hear of it, it would end the process.
 */
export class HeardClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    this.on('error', () => undefined);
  }
}
