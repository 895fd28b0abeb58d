// Statements that are written out, straight to Postgres. What the worker does is all of this kind, and a Prisma client
// would cost it 50 MB and a third of a millisecond a statement. The stores of the run's life take either.
import { Socket } from 'node:net';
import pg from 'pg';
import sql, { Sql } from 'sql-template-tag';
import { readRows, writeRows } from './byte-rows.ts';
import { connectionTo, HeardClient } from './connection.ts';
import { createStatementNames } from './statement-names.ts';

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

export interface SqlPoolOptions {
  readonly poolMax?: number;
  /** After so long without a word the line is given up; much that is stored may take longer. */
  readonly silentMsMax?: number;
}

const idleMs = 60_000;
const transactionMsMax = 60_000;
/** What Postgres stores at the least, on a slow disk. */
const bytesPerMs = 10_000;

/** Connects lazily. A database that is away is an error after 5 s, not a wait. */
export function createSqlPool(
  url: string,
  { poolMax = 10, silentMsMax = 10_000 }: SqlPoolOptions = {},
): SqlPool {
  const pool = new pg.Pool({
    ...connectionTo(url),
    Client: HeardClient,
    max: poolMax,
    idleTimeoutMillis: idleMs,
    // A process that freezes inside a transaction would keep its row locks for as long as it stays frozen.
    idle_in_transaction_session_timeout: 10_000,
  });
  // An idle connection that breaks (a restarted database) is replaced; without a listener it would end the process.
  pool.on('error', () => undefined);
  const nameOf = createStatementNames();
  const ask: Ask = (client, query, values) => {
    const { text, values: all } = toSql(query, values);
    return heard(client, silentMsMax + byteLengthOf(all) / bytesPerMs, () =>
      client.query({ name: nameOf(text), text, values: all, types }),
    );
  };
  const askPlainly = (client: pg.PoolClient, text: string) =>
    heard(client, silentMsMax, () => client.query(text));
  const statementsOn = (client: pg.PoolClient): Statements => ({
    run: (query, values) => ask(client, query, values),
    runOnce: (text) => askPlainly(client, text),
  });
  const transactionOn = (client: pg.PoolClient): ByteTransaction => ({
    ...transactionOf(statementsOn(client)),
    writeRows: (table, bytes, onBytes) =>
      heard(client, silentMsMax, () => writeRows(client, table, bytes, onBytes)),
    readRows: (table, into) => heard(client, silentMsMax, () => readRows(client, table, into)),
  });
  const borrow = async (work: (statements: Statements) => Promise<pg.QueryResult>) => {
    const client = await pool.connect();
    let failure: Error | undefined;
    try {
      return await work(statementsOn(client));
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
      throw error;
    } finally {
      client.release(failure);
    }
  };

  return {
    ...transactionOf({
      run: (query, values) => borrow(({ run }) => run(query, values)),
      runOnce: (text) => borrow(({ runOnce }) => runOnce(text)),
    }),
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
        await askPlainly(client, 'BEGIN');
        const result = await work(transactionOn(client));
        await askPlainly(client, 'COMMIT');
        return result;
      } catch (error) {
        await askPlainly(client, 'ROLLBACK').catch((failure: Error) => {
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

interface Statements {
  run(query: Query, values: readonly unknown[]): Promise<pg.QueryResult>;
  runOnce(text: string): Promise<pg.QueryResult>;
}

function transactionOf({ run, runOnce }: Statements): SqlTransaction {
  return {
    $queryRaw: async <T>(query: Query, ...values: unknown[]) => (await run(query, values)).rows as T,
    $executeRaw: async (query, ...values) => (await run(query, values)).rowCount ?? 0,
    $executeRawUnsafe: async (text) => (await runOnce(text)).rowCount ?? 0,
  };
}

type Ask = (client: pg.PoolClient, query: Query, values: readonly unknown[]) => Promise<pg.QueryResult>;

/**
 * A network that drops packets tells nobody, and TCP repeats itself for a quarter of an hour before it gives up. What
 * still moves, in either direction, is no silence.
 */
async function heard<T>({ connection }: pg.PoolClient, silentMs: number, work: () => Promise<T>): Promise<T> {
  const { stream } = connection;
  if (!(stream instanceof Socket)) return work();
  const cut = () => stream.destroy(new Error(`Connection terminated: no word in ${Math.ceil(silentMs)} ms`));
  stream.setTimeout(silentMs, cut);
  try {
    return await work();
  } finally {
    stream.setTimeout(0, cut);
  }
}

function byteLengthOf(values: readonly unknown[]): number {
  return values.reduce<number>((sum, value) => sum + (value instanceof Uint8Array ? value.byteLength : 0), 0);
}

function toSql(query: Query, values: readonly unknown[]): Sql {
  return query instanceof Sql ? query : sql(query, ...values);
}

const int8 = 20;
const types: pg.CustomTypesConfig = {
  // pg's own type has an overload for each format, which no function literal can be.
  getTypeParser: ((oid: number, format?: 'text') =>
    oid === int8 ? BigInt : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};
