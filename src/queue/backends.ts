// BullMQ on Redis and on Postgres, made to look alike. Either end is thrown away and made anew by its owner
// when it misbehaves, so nothing here mends itself beyond what the drivers do.
import { createPostgresBackend, type Job, Queue, Worker, withBackend } from 'bullmq';
import { connectionTo, HeardClient } from '../db/connection.ts';

export interface QueueTarget {
  /** Absent: BullMQ's Postgres backend, in a schema of its own of `databaseUrl`. */
  readonly redisUrl?: string | undefined;
  readonly databaseUrl: string;
  /** Keeps installations that share a server apart. */
  readonly prefix: string;
}

/** The part of BullMQ's Queue that is used. */
export interface ProducerEnd {
  on(event: 'error', listener: (error: Error) => void): unknown;
  addBulk(jobs: TicketJob[]): Promise<unknown>;
  getWaitingCount(): Promise<number>;
  disconnect(): Promise<void>;
  close(): Promise<void>;
}

/** The part of BullMQ's Worker that is used: jobs are fetched by hand, one at a time. */
export interface ConsumerEnd {
  on(event: 'error', listener: (error: Error) => void): unknown;
  getNextJob(token: string, options: { block: boolean }): Promise<Job | undefined>;
  startStalledCheckTimer(): Promise<void>;
  close(force: boolean): Promise<void>;
}

export interface TicketJob {
  readonly name: string;
  readonly data: { readonly runId: string };
  readonly opts: {
    readonly jobId: string;
    readonly removeOnComplete: true;
    readonly removeOnFail: true;
  };
}

/** How long one fetch waits for a ticket. */
export const blockSeconds = 2;

const consumerOptions = {
  autorun: false,
  drainDelay: blockSeconds,
  // A ticket is finished within milliseconds of its fetch. One that is held longer belongs to a dead worker and
  // would swallow the next ticket of the same id: it is put back once, then dropped.
  lockDuration: 5_000,
  stalledInterval: 5_000,
  maxStalledCount: 1,
  removeOnComplete: { count: 0 },
  removeOnFail: { count: 0 },
};

const retryStrategy = (attempt: number) => Math.min(50 * 2 ** Math.min(attempt, 6), 2_000);

const postgres = withBackend(createPostgresBackend);

export function openProducer(target: QueueTarget): ProducerEnd {
  const name = queueName(target);
  return target.redisUrl === undefined
    ? new postgres.Queue(name, { connection: postgresConnection(target.databaseUrl) })
    : new Queue(name, {
        // Without the offline queue an add fails at once while Redis is away, instead of waiting for its return.
        connection: { url: target.redisUrl, enableOfflineQueue: false, retryStrategy, connectTimeout: 2_000 },
      });
}

export function openConsumer(target: QueueTarget): ConsumerEnd {
  const name = queueName(target);
  return target.redisUrl === undefined
    ? new postgres.Worker(name, null, {
        ...consumerOptions,
        connection: postgresConnection(target.databaseUrl),
      })
    : new Worker(name, null, {
        ...consumerOptions,
        connection: {
          url: target.redisUrl,
          maxRetriesPerRequest: null,
          retryStrategy,
          connectTimeout: 2_000,
          keepAlive: 10_000,
        },
      });
}

function queueName({ prefix }: QueueTarget): string {
  return `${prefix}-tickets`;
}

function postgresConnection(databaseUrl: string) {
  return {
    ...connectionTo(databaseUrl),
    // It prepares its tables on a connection that it does not listen to.
    Client: HeardClient,
    migrate: true,
    max: 2,
    connectionTimeoutMillis: 2_000,
    query_timeout: 10_000,
  };
}
