// What a soak breaks, and makes whole again before it goes on.
import { setTimeout as wait } from 'node:timers/promises';
import { seedOf } from '../batches.ts';
import type { Answer } from '../client.ts';
import type { Started } from '../places/processes.ts';
import { until } from '../until.ts';
import type { QueueName, World } from '../world.ts';

/** A process that may be killed; another takes its place. */
export interface Post {
  holder(): Started;
  /** Once the holder is gone. Resolves when the new one does its work. */
  refill(): Promise<void>;
}

export interface FaultSite {
  readonly world: World;
  readonly api: Post;
  readonly worker: Post;
  random(): number;
}

export interface SoakFault {
  readonly name: string;
  readonly queues: readonly QueueName[];
  run(at: FaultSite): Promise<void>;
}

const both = ['redis', 'postgres'] as const;
const redisOnly = ['redis'] as const;
const frozenMs = 20_000;
const awayMs = 5_000;
const pausedMsMax = 10_000;
const postgresMsMax = 60_000;
const insistMsMax = 120_000;
const cancelledMsMax = 90_000;

export const soakFaults: readonly SoakFault[] = [
  { name: 'worker killed', queues: both, run: ({ worker }) => kill(worker) },
  { name: 'API killed', queues: both, run: ({ api }) => kill(api) },
  {
    name: 'worker told to end',
    queues: both,
    run: async ({ worker }) => {
      await worker.holder().stop();
      await worker.refill();
    },
  },
  {
    name: 'worker frozen 20 s',
    queues: both,
    run: async ({ worker }) => {
      const frozen = worker.holder();
      frozen.signal('SIGSTOP');
      await wait(frozenMs);
      frozen.signal('SIGCONT');
    },
  },
  { name: 'run paused and resumed', queues: both, run: pauseAndResume },
  { name: 'run cancelled', queues: both, run: cancel },
  {
    name: 'Postgres stopped at once',
    queues: both,
    run: async ({ world: { postgres } }) => {
      await postgres.stop('immediate');
      await postgres.start();
    },
  },
  { name: 'Postgres backend killed', queues: both, run: killBackend },
  {
    name: 'Redis restarted',
    queues: redisOnly,
    run: async ({ world: { redis } }) => {
      await redis?.stop();
      await redis?.start();
    },
  },
  {
    name: 'Redis emptied',
    queues: redisOnly,
    run: async ({ world: { redis } }) => {
      await redis?.command('FLUSHALL');
    },
  },
  {
    name: 'Redis away 5 s',
    queues: redisOnly,
    run: async ({ world: { redis } }) => {
      await redis?.kill();
      await wait(awayMs);
      await redis?.start();
    },
  },
];

async function kill(post: Post): Promise<void> {
  await post.holder().kill();
  await post.refill();
}

async function killBackend({ world: { query, postgres }, random }: FaultSite): Promise<void> {
  const backends = await query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ '^(api|worker)'`,
  );
  const victim = backends[Math.floor(random() * backends.length)];
  if (victim === undefined) return;
  process.kill(victim.pid, 'SIGKILL');
  await until(postgres.accepts, 'Postgres to accept connections again', postgresMsMax);
}

async function pauseAndResume({ world, random }: FaultSite): Promise<void> {
  const open = await world.query<{ id: string }>(
    `SELECT id FROM "Run" WHERE status IN ('queued', 'running') ORDER BY status DESC, "createdAt"`,
  );
  const id = open[Math.floor(random() * open.length)]?.id ?? (await world.client.submit('steady', seedOf(0)));
  await insist(world, `/v1/runs/${id}/pause`);
  await wait(random() * pausedMsMax);
  await insist(world, `/v1/runs/${id}/resume`);
}

/** What was accepted is kept. */
async function cancel({ world, random }: FaultSite): Promise<void> {
  const id = await world.client.submit('steady', seedOf(1), { expectation: 'any' });
  await wait(random() * awayMs);
  const { status } = await insist(world, `/v1/runs/${id}/cancel`);
  if (status !== 202) return;
  const cancelled = async () => {
    const [run] = await world.query<{ status: string }>('SELECT status FROM "Run" WHERE id = $1', [id]);
    return run?.status === 'cancelled';
  };
  await until(cancelled, `run ${id} to be cancelled after that was accepted`, cancelledMsMax);
}

/** Asks until there is an answer of the service's own: done, or that it is too late. */
async function insist({ client }: World, path: string): Promise<Answer> {
  const answered = async () => {
    const answer = await client.ask('POST', path).catch(() => null);
    return answer !== null && (answer.status === 202 || answer.status === 409) ? answer : null;
  };
  return until(answered, `${path} to be answered`, insistMsMax);
}
