// How fast a process grows. What it holds swings with every collection of garbage, so only the least of each two
// minutes counts, and the first ten minutes, in which caches fill and code is compiled, do not.

export interface Sample {
  /** Since the start. */
  readonly seconds: number;
  readonly megabytes: number;
}

export interface Slope {
  readonly megabytesPerHour: number;
  /** Its standard error. */
  readonly error: number;
}

const warmSeconds = 600;
const windowSeconds = 120;
const pointsMin = 3;

/** By least squares; null with too little to go by. */
export function slopeOf(samples: readonly Sample[]): Slope | null {
  const points = leastOfWindows(samples.filter(({ seconds }) => seconds >= warmSeconds));
  if (points.length < pointsMin) return null;
  const hours = points.map(({ seconds }) => seconds / 3_600);
  const sizes = points.map(({ megabytes }) => megabytes);
  const [meanHours, meanSize] = [meanOf(hours), meanOf(sizes)];
  const spread = sum(hours.map((hour) => (hour - meanHours) ** 2));
  const together = sum(hours.map((hour, i) => (hour - meanHours) * ((sizes[i] ?? 0) - meanSize)));
  const megabytesPerHour = together / spread;
  const misses = hours.map((hour, i) => (sizes[i] ?? 0) - meanSize - megabytesPerHour * (hour - meanHours));
  const variance = sum(misses.map((miss) => miss ** 2)) / (points.length - 2);
  return { megabytesPerHour, error: Math.sqrt(variance / spread) };
}

/** One sample for each window that has any. */
function leastOfWindows(samples: readonly Sample[]): Sample[] {
  const least = new Map<number, Sample>();
  for (const sample of samples) {
    const window = Math.floor(sample.seconds / windowSeconds);
    const known = least.get(window);
    if (known === undefined || sample.megabytes < known.megabytes) least.set(window, sample);
  }
  return [...least.values()];
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
const meanOf = (numbers: readonly number[]): number => sum(numbers) / numbers.length;
