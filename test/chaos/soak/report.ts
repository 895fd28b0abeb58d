// What a soak came to, for programs and as tables.
import { linesOf } from '../table.ts';
import type { QueueName } from '../world.ts';
import type { Slope } from './slope.ts';

export interface SoakReport {
  readonly queue: QueueName;
  readonly seed: number;
  readonly seconds: number;
  /** How often each was broken. */
  readonly faults: Readonly<Record<string, number>>;
  readonly runs: { readonly acknowledged: number; readonly ended: number };
  readonly violations: readonly string[];
  readonly memory: readonly GrowthRow[];
}

export interface GrowthRow {
  readonly name: string;
  readonly samples: number;
  readonly lastMegabytes: number | null;
  readonly slope: Slope | null;
}

export const slopeMax = 5;
/** In less a slope is chance. */
export const judgedSecondsMin = 1_800;

export type GrowthVerdict = 'ok' | 'FAILED' | 'not judged: under 30 minutes' | 'not measured';

export function growthVerdict({ slope }: GrowthRow, seconds: number): GrowthVerdict {
  if (seconds < judgedSecondsMin) return 'not judged: under 30 minutes';
  if (slope === null) return 'not measured';
  return slope.megabytesPerHour <= slopeMax ? 'ok' : 'FAILED';
}

/** Each run that was acknowledged has ended as it should, and no process grows. */
export function soakPasses({ violations, memory, seconds }: SoakReport): boolean {
  return violations.length === 0 && memory.every((row) => growthVerdict(row, seconds) !== 'FAILED');
}

/** Lines of Markdown. */
export function soakTables(report: SoakReport): string[] {
  const { queue, seed, seconds, faults, runs, violations, memory } = report;
  const counts = [runs.acknowledged, runs.ended, violations.length];
  const number = (value: number | undefined) => (value === undefined ? '–' : value.toFixed(1));
  return [
    `${(seconds / 60).toFixed(1)} minutes on ${queue}, seed ${seed}`,
    '',
    ...linesOf(
      ['fault', 'times'],
      Object.entries(faults).map(([name, times]) => [name, String(times)]),
    ),
    '',
    ...linesOf(
      ['runs acknowledged', 'runs ended', 'violations', ''],
      [[...counts, violations.length === 0 ? 'ok' : 'FAILED'].map(String)],
    ),
    '',
    ...linesOf(
      ['process', 'MB at the end', 'MB/h', 'error', 'bound', ''],
      memory.map((row) => [
        row.name,
        number(row.lastMegabytes ?? undefined),
        number(row.slope?.megabytesPerHour),
        number(row.slope?.error),
        String(slopeMax),
        growthVerdict(row, seconds),
      ]),
    ),
  ];
}
