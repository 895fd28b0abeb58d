/** An engine as the benchmark sees it from within the engine's process, and how its slices are timed. */
import type { JobName } from './jobs.ts';
import type { Slice } from './protocol.ts';

/**
 * Trains one epoch, shuffled anew, or of a long one what fits before `deadline` (in performance.now()'s ms, but at
 * least one step). Answers how many steps were trained.
 */
export type Epoch = (deadline: number) => number | Promise<number>;

export interface Trainee {
  readonly version: string;
  readonly notes: readonly string[];
  modes(job: JobName): readonly string[];
  prepare(job: JobName, mode: string): Promise<Epoch>;
}

export async function timeSlice(epoch: Epoch, seconds: number, grain: number): Promise<Slice> {
  const cpuAtStart = process.cpuUsage();
  const samples: { steps: number; seconds: number }[] = [];
  const start = performance.now();
  const deadline = start + seconds * 1000;
  let now = start;
  do {
    const from = now;
    let steps = 0;
    do {
      steps += await epoch(deadline);
      now = performance.now();
    } while (now - from < grain * 1000 && now < deadline);
    samples.push({ steps, seconds: (now - from) / 1000 });
  } while (now < deadline);
  const { user, system } = process.cpuUsage(cpuAtStart);
  return { samples: wholeSamples(samples, grain), cpuSeconds: (user + system) / 1e6 };
}

/** Without the last sample if the slice's end cut it short, unless there is no other. */
function wholeSamples(samples: Slice['samples'], grain: number): Slice['samples'] {
  const whole = samples.filter(({ seconds }) => seconds >= grain);
  return whole.length > 0 ? whole : samples;
}
