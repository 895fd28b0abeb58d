// Runs the experiments, each in a world of its own, checks the world afterwards, and counts.
import { check, settle } from './checker.ts';
import type { Experiment, Mode } from './experiment.ts';
import type { Ground, OwnGround } from './ground.ts';
import type { Network } from './places/network.ts';
import type { ReportRow } from './report.ts';
import { openWorld, type QueueName, type World } from './world.ts';

export interface Job {
  readonly experiment: Experiment;
  readonly queue: QueueName;
}

export interface DriverOptions {
  readonly mode: Mode;
  readonly say: (line: string) => void;
}

/** The quick ones wait less for a dead worker's lease, and so much runs side by side. */
const modes = {
  quick: { env: { LEASE_SECONDS: '6', RECONCILE_SECONDS: '2' }, side: 3 },
  full: { env: {}, side: 1 },
} as const;

/** How long the last run of an experiment may take to end. */
const settleMsMax = 300_000;
const violationsShown = 12;
/** Characters of what a process wrote last. */
const outputShown = 3_000;

export async function runJobs(
  ground: Ground,
  jobs: readonly Job[],
  options: DriverOptions,
): Promise<ReportRow[]> {
  const rows = new Map<Job, ReportRow>();
  const work = async (queue: Job[]): Promise<void> => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      rows.set(job, await runJob(ground, job, options));
    }
  };
  const together = jobs.filter(({ experiment }) => !experiment.alone);
  await Promise.all(Array.from({ length: modes[options.mode].side }, () => work(together)));
  await work(jobs.filter(({ experiment }) => experiment.alone));
  return jobs.flatMap((job) => rows.get(job) ?? []);
}

async function runJob(
  ground: Ground,
  { experiment, queue }: Job,
  { mode, say }: DriverOptions,
): Promise<ReportRow> {
  const { id, boundSeconds, diskMegabytes, lines } = experiment;
  const repetitions = experiment.repetitions[mode];
  const tell = (line: string) => say(`${id} on ${queue}: ${line}`);
  const startedAt = performance.now();
  tell(`${experiment.title}, ${repetitions} times`);
  const network = lines === undefined ? null : networkOf(ground, tell);
  const by = lines === undefined ? {} : ({ by: network === null ? 'proxy' : 'namespace' } as const);
  let own: OwnGround | null = null;
  try {
    if (network !== null) own = await ground.onOwnPostgres({ address: network.addressOf('postgres') });
    if (diskMegabytes !== undefined) own = await ground.onOwnPostgres({ megabytes: diskMegabytes });
  } catch (error) {
    const impossible = `no Postgres like that can be had: ${wordsOf(error)}`;
    tell(impossible);
    return { id, queue, repetitions: 0, violations: 0, recoverySecondsMax: null, boundSeconds, impossible };
  }
  const world = await openWorld(own?.ground ?? ground, {
    queue,
    env: { ...modes[mode].env, ...experiment.env },
    network,
  });
  try {
    await experiment.run({ world, mode, repetitions, say: tell });
    await checkWorld(world);
  } catch (error) {
    world.violation(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    await world.close();
    network?.remove();
    await own?.remove();
  }
  const { violations, recoveries } = world;
  // What becomes of their runs is looked at; this says why they went.
  if (violations.length > 0) {
    for (const one of world.failed()) {
      tell(`${one.name} ended with status ${one.exitCode()}: ${one.output().slice(-outputShown)}`);
    }
  }
  for (const violation of violations.slice(0, violationsShown)) tell(`VIOLATION: ${violation}`);
  const longest = recoveries.length === 0 ? null : Math.round(Math.max(...recoveries) * 10) / 10;
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  tell(`${violations.length} violations, longest recovery ${longest ?? '–'} s; took ${seconds} s`);
  const counts = { repetitions, violations: violations.length, recoverySecondsMax: longest };
  return { id, queue, ...counts, boundSeconds, ...by };
}

function networkOf(ground: Ground, tell: (line: string) => void): Network | null {
  try {
    return ground.openNetwork();
  } catch (error) {
    tell(`a silent proxy plays the network, for there is no namespace to be had: ${wordsOf(error)}`);
    return null;
  }
}

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Sees every run to its end first. */
async function checkWorld(world: World): Promise<void> {
  const unended = await settle(world, settleMsMax);
  const flaws = await check(world);
  for (const flaw of [...unended, ...flaws]) world.violation(flaw);
  await world.measureRecoveries();
}
