/**
 * The contest for one job: every contestant in every mode trains one slice a round, in turn, so that all of them meet
 * the same swings of the clock. A slice that other processes disturbed is repeated while there is patience for it.
 */
import type { Contestant } from './contestant.ts';
import type { JobName } from './jobs.ts';
import { isDisturbed, type Neighbours } from './neighbours.ts';

export interface Timing {
  readonly contestant: Contestant;
  readonly mode: string;
  /** µs per step of each sample. */
  readonly samples: readonly number[];
}

export interface Contest {
  readonly timings: readonly Timing[];
  /** Processor seconds a second that others used during the slices that count. */
  readonly foreignLoad: number;
}

export interface Pace {
  readonly rounds: number;
  /** Of a slice. */
  readonly seconds: number;
  /** Shortest sample, in seconds. */
  readonly grain: number;
  /** Seconds that may go into repeating slices that others disturbed. */
  readonly patience: number;
}

interface Entry {
  readonly contestant: Contestant;
  readonly mode: string;
  readonly samples: number[];
}

/** What the contest has come to so far. */
interface Ledger {
  foreign: number;
  timed: number;
  patience: number;
}

const PAUSE_SECONDS = 0.5;

/** `report` hears of the progress, and of what cannot take part, a line each. */
export async function runContest(
  job: JobName,
  contestants: readonly Contestant[],
  at: { readonly pace: Pace; readonly neighbours: Neighbours; report(line: string): void },
): Promise<Contest> {
  const { pace, report } = at;
  let entries = await prepareEntries(job, contestants, report);
  const ledger = { foreign: 0, timed: 0, patience: pace.patience };
  for (let round = 1; round <= pace.rounds; round++) {
    report(`${job}: round ${round} of ${pace.rounds}, ${entries.length} entries`);
    const failed = new Set<Entry>();
    for (const entry of entries) {
      try {
        await timeEntry(job, entry, { ...at, ledger });
      } catch (error) {
        report(leftOut(job, entry.contestant, error, entry.mode));
        failed.add(entry);
      }
    }
    entries = entries.filter((entry) => !failed.has(entry));
  }
  // A process that has ended has nothing to forget, and was named when it failed.
  await Promise.allSettled(contestants.map((contestant) => contestant.forget()));
  return { timings: entries, foreignLoad: ledger.timed === 0 ? 0 : ledger.foreign / ledger.timed };
}

async function prepareEntries(
  job: JobName,
  contestants: readonly Contestant[],
  report: (line: string) => void,
): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (const contestant of contestants) {
    const modes = await contestant.modes(job).catch((error: unknown) => {
      report(leftOut(job, contestant, error));
      return null;
    });
    if (modes?.length === 0) report(leftOut(job, contestant, 'the job is beyond it'));
    for (const mode of modes ?? []) {
      try {
        await contestant.prepare(job, mode);
        entries.push({ contestant, mode, samples: [] });
      } catch (error) {
        report(leftOut(job, contestant, error, mode));
      }
    }
  }
  return entries;
}

/** Until a slice was not disturbed, or the patience is at its end. */
async function timeEntry(
  job: JobName,
  { contestant, mode, samples }: Entry,
  {
    pace,
    neighbours,
    ledger,
  }: { readonly pace: Pace; readonly neighbours: Neighbours; readonly ledger: Ledger },
): Promise<void> {
  for (;;) {
    const end = neighbours.begin();
    const slice = await contestant.slice(job, mode, pace);
    const stretch = end(slice.cpuSeconds);
    if (isDisturbed(stretch) && ledger.patience > 0) {
      await neighbours.pause(PAUSE_SECONDS);
      ledger.patience -= stretch.seconds + PAUSE_SECONDS;
      continue;
    }
    ledger.foreign += stretch.foreign;
    ledger.timed += stretch.seconds;
    samples.push(...slice.samples.map(({ steps, seconds }) => (seconds / steps) * 1e6));
    return;
  }
}

function leftOut(job: JobName, contestant: Contestant, why: unknown, mode?: string): string {
  const entry = mode === undefined ? nameOf(contestant) : `${nameOf(contestant)}, ${mode},`;
  return `${job}: ${entry} left out: ${why instanceof Error ? why.message : String(why)}`;
}

export const nameOf = ({ engine, threads }: Pick<Contestant, 'engine' | 'threads'>): string =>
  `${engine} on ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
