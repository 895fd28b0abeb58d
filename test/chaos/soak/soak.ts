// A long time under load in which something breaks all the time: two APIs and two workers, of which one each is killed
// and frozen, while the other two live through every outage and have their memory watched.
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from '../../support/free-port.ts';
import { check, settle } from '../checker.ts';
import type { Ground } from '../ground.ts';
import type { Started } from '../places/processes.ts';
import { openProxy } from '../places/proxy.ts';
import { openWorld, type QueueName, type World } from '../world.ts';
import { type FaultSite, type Post, type SoakFault, soakFaults } from './faults.ts';
import { startLoad } from './load.ts';
import { type MemoryWatch, watchMemory } from './memory.ts';
import { createRandom } from './random.ts';
import type { GrowthRow, SoakReport } from './report.ts';
import { scheduleOf } from './schedule.ts';
import { slopeOf } from './slope.ts';

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly queue: QueueName;
  readonly say: (line: string) => void;
  /** Ends it early; what has happened is checked all the same. */
  readonly stop: AbortSignal;
}

const settleMsMax = 300_000;
const violationsShown = 20;

interface Cast {
  readonly site: FaultSite;
  /** Nobody lays a hand on these. */
  readonly watched: Readonly<Record<'api' | 'worker', Started>>;
  close(): Promise<void>;
}

type Outcome = Pick<SoakReport, 'seconds' | 'faults' | 'memory'>;

export async function soak(ground: Ground, options: SoakOptions): Promise<SoakReport> {
  const { seed, queue, say } = options;
  const world = await openWorld(ground, { queue, env: {} });
  try {
    const outcome = await stress(world, options).catch((error: unknown): Outcome => {
      world.violation(error instanceof Error ? (error.stack ?? error.message) : String(error));
      return { seconds: 0, faults: {}, memory: [] };
    });
    const { violations, acknowledged } = world;
    for (const violation of violations.slice(0, violationsShown)) say(`VIOLATION: ${violation}`);
    const runs = { acknowledged: acknowledged.length, ended: await countEnded(world) };
    return { queue, seed, ...outcome, runs, violations };
  } finally {
    await world.close();
  }
}

/** Load and faults, then peace until every run has ended, and a look at all of them. */
async function stress(world: World, options: SoakOptions): Promise<Outcome> {
  const { minutes, queue, seed, say } = options;
  const cast = await startAll(world, createRandom(seed));
  const memory = watchMemory(Object.values(cast.watched));
  const reporting = setInterval(() => void reportProgress(world, cast, memory, say), 60_000);
  try {
    say(`${minutes} minutes on ${queue}, seed ${seed}`);
    const startedAt = performance.now();
    const load = startLoad(world);
    const faults = await breakThings(cast.site, options);
    const seconds = Math.round((performance.now() - startedAt) / 1_000);
    memory.stop();
    say('no more faults; waiting for the runs to end');
    await load.stop();
    for (const late of await settle(world, settleMsMax)) world.violation(late);
    for (const flaw of await check(world)) world.violation(flaw);
    for (const [name, one] of Object.entries(cast.watched)) {
      if (!one.isAlive())
        world.violation(`the ${name} that nobody touched ended: ${one.output().slice(-500)}`);
    }
    return { seconds, faults, memory: growthOf(cast, memory) };
  } finally {
    clearInterval(reporting);
    memory.stop();
    await cast.close();
  }
}

function growthOf({ watched }: Cast, memory: MemoryWatch): GrowthRow[] {
  return Object.entries(watched).map(([name, one]) => {
    const samples = memory.samplesOf(one);
    const lastMegabytes = samples.at(-1)?.megabytes ?? null;
    return { name, samples: samples.length, lastMegabytes, slope: slopeOf(samples) };
  });
}

async function startAll(world: World, random: () => number): Promise<Cast> {
  const apiPorts = [await freePort(), await freePort()] as const;
  // In turns, so that either serves; the other one takes what one that is dead cannot.
  let turn = 0;
  const balancer = await openProxy(() => {
    turn++;
    return turn % 2 === 0 ? apiPorts : [...apiPorts].reverse();
  }, Number(world.settings.PORT));
  const startApi = (port: number) => world.startApi({ env: { PORT: String(port) } });
  const post = async (start: () => Promise<Started>): Promise<Post> => {
    let holder = await start();
    return {
      holder: () => holder,
      refill: async () => {
        holder = await start();
      },
    };
  };
  return {
    site: {
      world,
      random,
      api: await post(() => startApi(apiPorts[0])),
      worker: await post(() => world.startWorker()),
    },
    watched: { api: await startApi(apiPorts[1]), worker: await world.startWorker() },
    close: balancer.close,
  };
}

/** Until the time is over, or it is told to stop. Answers with how often each thing was broken. */
async function breakThings(
  site: FaultSite,
  { minutes, queue, say, stop }: SoakOptions,
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const endAt = performance.now() + minutes * 60_000;
  const faults = soakFaults.filter(({ queues }) => queues.includes(queue));
  for (const { fault, afterMs } of scheduleOf(faults, site.random)) {
    const startedAt = performance.now();
    await breakOne(fault, site, say);
    counts[fault.name] = (counts[fault.name] ?? 0) + 1;
    const now = performance.now();
    const restMs = Math.min(startedAt + afterMs, endAt) - now;
    await wait(Math.max(0, restMs), undefined, { signal: stop }).catch(() => undefined);
    if (stop.aborted || performance.now() >= endAt) return counts;
  }
  return counts;
}

async function breakOne(fault: SoakFault, site: FaultSite, say: (line: string) => void): Promise<void> {
  say(fault.name);
  try {
    await fault.run(site);
  } catch (error) {
    site.world.violation(`${fault.name}: ${error instanceof Error ? error.message : error}`);
  }
  for (const post of [site.api, site.worker]) {
    const holder = post.holder();
    if (holder.isAlive()) continue;
    site.world.violation(`after "${fault.name}" ${holder.name} has ended: ${holder.output().slice(-500)}`);
    await post.refill();
  }
}

async function reportProgress(
  world: World,
  { watched }: Cast,
  memory: MemoryWatch,
  say: (line: string) => void,
): Promise<void> {
  const sizes = Object.entries(watched).map(([name, one]) => {
    const megabytes = memory.samplesOf(one).at(-1)?.megabytes;
    return `${name} ${megabytes === undefined ? 'of unknown size' : `${megabytes.toFixed(0)} MB`}`;
  });
  const ended = await countEnded(world).catch(() => '?');
  const counts = `${world.acknowledged.length} runs acknowledged, ${ended} ended`;
  say(`${counts}, ${world.violations.length} violations; ${sizes.join(', ')}`);
}

async function countEnded({ query }: World): Promise<number> {
  const [row] = await query<{ ended: number }>(
    `SELECT count(*)::int AS ended FROM "Run" WHERE status IN ('succeeded', 'failed', 'cancelled')`,
  );
  return row?.ended ?? 0;
}
