/**
 * The contest for one job: every contestant in every mode trains one slice a round, in turn, so that all of them meet
 * the same swings of the clock and the same neighbours.
 */
import { cpus } from 'node:os';
import type { Contestant } from './contestant.ts';
import type { JobName } from './jobs.ts';

export interface Timing {
  readonly contestant: Contestant;
  readonly mode: string;
  /** µs per step of each sample. */
  readonly samples: readonly number[];
}

export interface Contest {
  readonly timings: readonly Timing[];
  /** Processor seconds a second that went to neither the contestants nor idling, over the timed slices. */
  readonly foreignLoad: number;
}

export interface Pace {
  readonly rounds: number;
  /** Of a slice. */
  readonly seconds: number;
  /** Shortest sample, in seconds. */
  readonly grain: number;
}

interface Entry {
  readonly contestant: Contestant;
  readonly mode: string;
  readonly samples: number[];
}

/** `report` hears of the progress, and of what cannot take part, a line each. */
export async function runContest(
  job: JobName,
  contestants: readonly Contestant[],
  pace: Pace,
  report: (line: string) => void,
): Promise<Contest> {
  const leaveOut = ({ contestant, mode }: Omit<Entry, 'samples'>, error: unknown): void =>
    report(`${job}: ${nameOf(contestant)}, ${mode}, left out: ${messageOf(error)}`);
  let entries: Entry[] = [];
  for (const contestant of contestants) {
    const modes = await contestant.modes(job);
    if (modes.length === 0) report(`${job}: ${nameOf(contestant)} left out: the job is beyond it`);
    for (const mode of modes) {
      try {
        await contestant.prepare(job, mode);
        entries.push({ contestant, mode, samples: [] });
      } catch (error) {
        leaveOut({ contestant, mode }, error);
      }
    }
  }
  const clock = { foreign: 0, timed: 0 };
  for (let round = 1; round <= pace.rounds; round++) {
    report(`${job}: round ${round} of ${pace.rounds}, ${entries.length} entries`);
    const failed = new Set<Entry>();
    for (const entry of entries) {
      try {
        await timeEntry(job, entry, pace, clock);
      } catch (error) {
        leaveOut(entry, error);
        failed.add(entry);
      }
    }
    entries = entries.filter((entry) => !failed.has(entry));
  }
  // A process that has ended has nothing to forget, and was named when it failed.
  await Promise.allSettled(contestants.map((contestant) => contestant.forget()));
  return { timings: entries, foreignLoad: clock.timed === 0 ? 0 : clock.foreign / clock.timed };
}

async function timeEntry(
  job: JobName,
  { contestant, mode, samples }: Entry,
  pace: Pace,
  clock: { foreign: number; timed: number },
): Promise<void> {
  const start = performance.now();
  const idleAtStart = idleSeconds();
  const slice = await contestant.slice(job, mode, pace);
  const elapsed = (performance.now() - start) / 1000;
  const busy = elapsed * cpus().length - (idleSeconds() - idleAtStart);
  clock.foreign += Math.max(0, busy - slice.cpuSeconds);
  clock.timed += elapsed;
  samples.push(...slice.samples.map(({ steps, seconds }) => (seconds / steps) * 1e6));
}

/** Of all processors since the machine's start. */
const idleSeconds = (): number => cpus().reduce((sum, { times }) => sum + times.idle / 1000, 0);

export const nameOf = ({ engine, threads }: Pick<Contestant, 'engine' | 'threads'>): string =>
  `${engine} on ${threads} ${threads === 1 ? 'thread' : 'threads'}`;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
