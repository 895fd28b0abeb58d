// The one way to a Prisma client. Only stores and this folder use it.
import { PrismaPg } from '@prisma/adapter-pg';
import { raw } from 'sql-template-tag';
import { connectionTo } from './connection.ts';
import { type Prisma, PrismaClient } from './generated/client.ts';
import { createStatementNames } from './statement-names.ts';

export type Database = PrismaClient;
/** What a store function takes when it must run inside its caller's transaction; a `Database` fits as well. */
export type DatabaseTransaction = Prisma.TransactionClient;

const mark = '/* planned once */';

/** For the head of an ordered statement whose best plan is the same whatever is asked for. */
export const plannedOnce = raw(mark);

/**
 * Its plan is kept by each connection: that of any statement with values, but of a list's, which is best read according
 * to its filters.
 */
const keepsItsPlan = (text: string): boolean =>
  text.includes('$1') && (!text.includes('ORDER BY') || text.includes(mark));

/** Connects lazily. A database that is away is an error after 5 s, not a wait. Close with `$disconnect()`. */
export function createDatabase(url: string, { poolMax = 10 }: { poolMax?: number } = {}): Database {
  const nameOf = createStatementNames();
  const adapter = new PrismaPg(
    {
      ...connectionTo(url),
      max: poolMax,
      // A connection whose other end vanished without a word would keep its place in the pool for a quarter of an hour.
      query_timeout: 30_000,
      // A process that freezes inside a transaction would keep its row locks for as long as it stays frozen.
      idle_in_transaction_session_timeout: 10_000,
    },
    // An idle connection that breaks (a restarted database) is replaced by the pool; without a listener it
    // would end the process.
    {
      onPoolError: () => undefined,
      onConnectionError: () => undefined,
      statementNameGenerator: ({ sql }) => (keepsItsPlan(sql) ? (nameOf(sql) ?? '') : ''),
    },
  );
  return new PrismaClient({ adapter });
}
