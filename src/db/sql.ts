// Statements that are written out, straight to Postgres. What the worker does is all of this kind, and a Prisma client
// would cost it 50 MB and a third of a millisecond a statement. The stores of the run's life take either.
import pg from 'pg';
import sql, { Sql } from 'sql-template-tag';
import { readRows, writeRows } from './byte-rows.ts';

/** What is put together from parts is a whole statement of `sql`: Prisma's clients know such parts only of their own. */
type Query = TemplateStringsArray | Sql;

/** What Prisma's clients give as well. */
export interface SqlTransaction {
  $queryRaw<T>(query: Query, ...values: unknown[]): Promise<T>;
  /** Answers with the number of rows. */
  $executeRaw(query: Query, ...values: unknown[]): Promise<number>;
  /** A statement that comes once, as it stands: it is not kept prepared. */
  $executeRawUnsafe(text: string): Promise<number>;
}

export interface SqlDatabase extends SqlTransaction {
  /** `maxWait`: for a connection; `timeout`: for all of the work; both in ms. */
  $transaction<T>(
    work: (tx: SqlTransaction) => Promise<T>,
    options?: { readonly maxWait?: number; readonly timeout?: number },
  ): Promise<T>;
}

/** What a connection of our own can besides: see byte-rows.ts. */
export interface ByteTransaction extends SqlTransaction {
  writeRows(table: string, bytes: Uint8Array, onBytes: (piece: Uint8Array) => void): Promise<void>;
  readRows(table: string, into: Uint8Array): Promise<boolean>;
}

/** A pool of its own. */
export interface SqlPool extends SqlDatabase {
  $transaction<T>(
    work: (tx: ByteTransaction) => Promise<T>,
    options?: { readonly maxWait?: number; readonly timeout?: number },
  ): Promise<T>;
  close(): Promise<void>;
}

const idleMs = 60_000;
const transactionMsMax = 60_000;

/** Connects lazily. A database that is away is an error after 5 s, not a wait. */
export function createSqlPool(url: string, { poolMax = 10 }: { poolMax?: number } = {}): SqlPool {
  const pool = new pg.Pool({
    connectionString: url,
    max: poolMax,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: idleMs,
    keepAlive: true,
    // A process that freezes inside a transaction would keep its row locks for as long as it stays frozen.
    idle_in_transaction_session_timeout: 10_000,
  });
  // An idle connection that breaks (a restarted database) is replaced; without a listener it would end the process.
  pool.on('error', () => undefined);
  // So would one that breaks between two statements of a transaction; the next statement tells of it.
  pool.on('connect', (client) => client.on('error', () => undefined));
  const nameOf = createStatementNames();
  const run = (client: pg.Pool | pg.PoolClient, query: Query, values: readonly unknown[]) => {
    const { text, values: all } = toSql(query, values);
    return client.query({ ...nameOf(text), text, values: all, types });
  };
  const statements = (client: pg.Pool | pg.PoolClient): SqlTransaction => ({
    $queryRaw: async <T>(query: Query, ...values: unknown[]) => (await run(client, query, values)).rows as T,
    $executeRaw: async (query, ...values) => (await run(client, query, values)).rowCount ?? 0,
    $executeRawUnsafe: async (text) => (await client.query(text)).rowCount ?? 0,
  });
  const transaction = (client: pg.PoolClient): ByteTransaction => ({
    ...statements(client),
    writeRows: (table, bytes, onBytes) => writeRows(client, table, bytes, onBytes),
    readRows: (table, into) => readRows(client, table, into),
  });

  return {
    ...statements(pool),
    $transaction: async (work, { timeout = transactionMsMax } = {}) => {
      const client = await pool.connect();
      let released = false;
      const release = (failure?: Error) => {
        if (!released) client.release(failure);
        released = true;
      };
      // Cut off, it is rolled back by the server, and whatever waits for it fails.
      const clock = setTimeout(() => release(new Error('the transaction took too long')), timeout);
      let broken: Error | undefined;
      try {
        await client.query('BEGIN');
        const result = await work(transaction(client));
        await client.query('COMMIT');
        return result;
      } catch (error) {
        await client.query('ROLLBACK').catch((failure: Error) => {
          broken = failure;
        });
        throw error;
      } finally {
        clearTimeout(clock);
        release(broken);
      }
    },
    close: () => pool.end(),
  };
}

function toSql(query: Query, values: readonly unknown[]): Sql {
  return query instanceof Sql ? query : sql(query, ...values);
}

const namesMax = 200;

/** The same text is parsed and planned once for each connection. */
function createStatementNames(): (text: string) => { name?: string } {
  const names = new Map<string, string>();
  return (text) => {
    const known = names.get(text);
    if (known !== undefined) return { name: known };
    if (names.size >= namesMax) return {};
    const name = `s${names.size}`;
    names.set(text, name);
    return { name };
  };
}

const int8 = 20;
const types: pg.CustomTypesConfig = {
  // pg's own type has an overload for each format, which no function literal can be.
  getTypeParser: ((oid: number, format?: 'text') =>
    oid === int8 ? BigInt : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};
