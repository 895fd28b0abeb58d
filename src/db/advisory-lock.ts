// Postgres advisory locks: held by a connection of their own, so a killed process lets go at once.
import pg from 'pg';
import { within } from '../deadline.ts';
import { connectionTo } from './connection.ts';

/** The names in use; the number is the lock's key inside our own class of keys. */
const locks = { migrate: 1, reconcile: 2 } as const;
export type LockName = keyof typeof locks;

/** 'TYRD': keeps our keys apart from another application's in a shared database. */
const lockClass = 0x54595244;

/** Runs `work` while this process alone holds the lock; waits for it up to `waitMs`, then rejects. */
export async function withAdvisoryLock<T>(
  url: string,
  name: LockName,
  work: () => Promise<T>,
  { waitMs = 120_000 }: { waitMs?: number } = {},
): Promise<T> {
  return withConnection(url, async (client) => {
    await client.query(`SET lock_timeout = ${Math.trunc(waitMs)}`);
    await client.query('SELECT pg_advisory_lock($1, $2)', [lockClass, locks[name]]);
    return work();
  });
}

/** Neither statement waits for anybody. */
const answerMsMax = 5_000;
/** A process that freezes with the lock loses it after so long; work that takes longer has to bear company. */
const tryLockMsMax = 10_000;

/**
 * Runs `work` if the lock is free right now, otherwise does nothing. Says which. The lock only saves work: it may
 * be lost under a long run.
 */
export async function tryAdvisoryLock(
  url: string,
  name: LockName,
  work: () => Promise<void>,
): Promise<boolean> {
  return withConnection(url, async (client) => {
    const result = await within(
      answerMsMax,
      client
        .query(`SET idle_session_timeout = ${tryLockMsMax}`)
        .then(() =>
          client.query<{ acquired: boolean }>('SELECT pg_try_advisory_lock($1, $2) AS acquired', [
            lockClass,
            locks[name],
          ]),
        ),
    );
    const acquired = result.rows[0]?.acquired === true;
    if (acquired) {
      await work();
    }
    return acquired;
  });
}

async function withConnection<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(connectionTo(url));
  // Without a listener a connection that breaks between two queries would end the process.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    // The session's end releases the lock. On a line that went silent nobody learns of it: Postgres ends it itself.
    await within(answerMsMax, client.end()).catch(() => client.connection.stream.destroy());
  }
}
