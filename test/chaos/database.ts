// The experimenter's own connections to a world's database. A question is asked again while Postgres is away.
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';

export type Query = <T extends object>(text: string, values?: readonly unknown[]) => Promise<T[]>;

export interface ExperimentDatabase {
  readonly query: Query;
  /** A connection for as long as `work` takes; it is asked once. */
  withClient<T>(work: (client: pg.Client) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const patienceMs = 90_000;
const retryMs = 100;

export function openDatabase(url: string): ExperimentDatabase {
  const settings = { connectionString: url, application_name: 'chaos', connectionTimeoutMillis: 5_000 };
  const pool = new pg.Pool({ ...settings, max: 3 });
  pool.on('error', () => undefined);
  return {
    query: async <T extends object>(text: string, values: readonly unknown[] = []) => {
      const giveUpAt = performance.now() + patienceMs;
      for (;;) {
        try {
          return (await pool.query<T>(text, [...values])).rows;
        } catch (error) {
          if (!isPassing(error) || performance.now() > giveUpAt) throw error;
          await wait(retryMs);
        }
      }
    },
    withClient: async (work) => {
      const client = new pg.Client(settings);
      client.on('error', () => undefined);
      await client.connect();
      try {
        return await work(client);
      } finally {
        await client.end().catch(() => undefined);
      }
    },
    close: () => pool.end(),
  };
}

/** The server is away or going: classes 08, 53 and 57, or no connection at all. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? String(error.code) : '';
  return /^(08|53|57P)|^E[A-Z]+$/.test(code) || /terminated|timeout|ended|closed/i.test(error.message);
}
