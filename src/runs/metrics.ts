// Epoch rows as columns, thinned where there are more of them than a chart can show.
import type { RunMetrics } from './schema.ts';

export interface EpochMetrics {
  readonly epoch: number;
  readonly metrics: Readonly<Record<string, number | null>>;
  readonly diverged: boolean;
}

/** At most `pointsMax` epochs; the first, the last and every bucket's highs and lows of each series are kept. */
export function toColumns(rows: readonly EpochMetrics[], pointsMax: number): RunMetrics {
  const names = seriesNames(rows);
  const kept = rows.length <= pointsMax ? rows : thin(rows, names, pointsMax);
  return {
    epochs: kept.map(({ epoch }) => epoch),
    series: Object.fromEntries(names.map((name) => [name, kept.map(({ metrics }) => metrics[name] ?? null)])),
    diverged: rows.some(({ diverged }) => diverged),
  };
}

/** RFC 4180; what is null is an empty cell. Names are metrics' own, so nothing needs escaping. */
export function toCsv({ epochs, series }: RunMetrics): string {
  const names = Object.keys(series);
  const lines = epochs.map((epoch, i) => [epoch, ...names.map((name) => series[name]?.[i] ?? '')].join(','));
  return `${[['epoch', ...names].join(','), ...lines].join('\r\n')}\r\n`;
}

/** `loss` first, then in the order of appearance. */
function seriesNames(rows: readonly EpochMetrics[]): string[] {
  const names = new Set<string>();
  for (const { metrics } of rows) for (const name of Object.keys(metrics)) names.add(name);
  return [...names].sort((a, b) => Number(b === 'loss') - Number(a === 'loss'));
}

function thin(rows: readonly EpochMetrics[], names: readonly string[], pointsMax: number): EpochMetrics[] {
  const kept = new Set([0, rows.length - 1]);
  // As many buckets as can keep two points of every series; with few points the first series win.
  const buckets = Math.max(1, Math.floor((pointsMax - 2) / Math.max(1, 2 * names.length)));
  for (const name of names) {
    for (let bucket = 0; bucket < buckets; bucket++) {
      const start = Math.floor((bucket * rows.length) / buckets);
      const end = Math.floor(((bucket + 1) * rows.length) / buckets);
      for (const index of extremes(rows, name, start, end)) {
        if (kept.size < pointsMax) kept.add(index);
      }
    }
  }
  return [...kept].sort((a, b) => a - b).flatMap((index) => rows[index] ?? []);
}

/** Where the series is lowest and highest in [start, end); nothing where it has no value at all. */
function extremes(rows: readonly EpochMetrics[], name: string, start: number, end: number): number[] {
  let low = -1;
  let high = -1;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let i = start; i < end; i++) {
    const value = rows[i]?.metrics[name];
    if (value === null || value === undefined) continue;
    if (value < min) {
      min = value;
      low = i;
    }
    if (value > max) {
      max = value;
      high = i;
    }
  }
  return [low, high].filter((index) => index >= 0);
}
