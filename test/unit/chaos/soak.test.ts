import { describe, expect, it } from 'vitest';
import { createRandom } from '../../chaos/soak/random.ts';
import { growthVerdict, type SoakReport, soakPasses, soakTables } from '../../chaos/soak/report.ts';
import { scheduleOf } from '../../chaos/soak/schedule.ts';
import { slopeOf } from '../../chaos/soak/slope.ts';

const take = <T>(count: number, from: Generator<T>): T[] =>
  Array.from({ length: count }, () => from.next().value as T);

describe('the schedule of a soak', () => {
  const faults = ['a', 'b', 'c', 'd', 'e'];

  it('is the same for the same seed, and another for another', () => {
    const turns = (seed: number) => take(50, scheduleOf(faults, createRandom(seed)));
    expect(turns(1)).toEqual(turns(1));
    expect(turns(1)).not.toEqual(turns(2));
  });

  it('gives each fault a turn in every round, every 20 to 40 s', () => {
    const turns = take(500, scheduleOf(faults, createRandom(3)));
    const orders = new Set<string>();
    for (let from = 0; from < turns.length; from += faults.length) {
      const round = turns.slice(from, from + faults.length).map(({ fault }) => fault);
      expect([...round].sort()).toEqual(faults);
      orders.add(round.join(''));
    }
    expect(orders.size).toBeGreaterThan(40);
    const pauses = turns.map(({ afterMs }) => afterMs);
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(20_000);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(40_000);
    expect(Math.max(...pauses) - Math.min(...pauses)).toBeGreaterThan(15_000);
  });
});

describe('the slope', () => {
  const everyFiveSeconds = (minutes: number, sizeAt: (seconds: number) => number) =>
    Array.from({ length: minutes * 12 }, (_, i) => ({ seconds: i * 5, megabytes: sizeAt(i * 5) }));

  it('is that of the least of each two minutes, whatever is collected in between', () => {
    const saw = everyFiveSeconds(60, (seconds) => 100 + seconds / 360 + (seconds % 60));
    expect(slopeOf(saw)?.megabytesPerHour).toBeCloseTo(10, 6);
    expect(slopeOf(saw)?.error).toBeCloseTo(0, 6);
  });

  it('leaves the first ten minutes out', () => {
    const settling = everyFiveSeconds(40, (seconds) => (seconds < 600 ? seconds : 80));
    expect(slopeOf(settling)?.megabytesPerHour).toBeCloseTo(0, 6);
  });

  it('says how far to trust it', () => {
    const random = createRandom(1);
    const noisy = everyFiveSeconds(60, () => 100 + 20 * random());
    const { megabytesPerHour, error } = slopeOf(noisy) ?? { megabytesPerHour: 0, error: 0 };
    expect(Math.abs(megabytesPerHour)).toBeLessThan(3 * error);
    expect(error).toBeLessThan(2);
  });

  it('is none with too little to go by', () => {
    expect(slopeOf([])).toBeNull();
    expect(slopeOf(everyFiveSeconds(12, () => 1))).toBeNull();
    expect(slopeOf(everyFiveSeconds(15, () => 1))).not.toBeNull();
  });
});

describe('the report of a soak', () => {
  const grown = (megabytesPerHour: number) => ({
    name: 'worker',
    samples: 400,
    lastMegabytes: 180,
    slope: { megabytesPerHour, error: 0.4 },
  });
  const report: SoakReport = {
    queue: 'redis',
    seed: 7,
    seconds: 3_600,
    faults: { 'worker killed': 11, 'Redis emptied': 10 },
    runs: { acknowledged: 1_200, ended: 1_200 },
    violations: [],
    memory: [{ ...grown(1.2), name: 'api' }, grown(5)],
  };

  it('passes where nothing was violated and nothing grows', () => {
    expect(soakPasses(report)).toBe(true);
    expect(soakPasses({ ...report, violations: ['run 1: it is gone'] })).toBe(false);
    expect(soakPasses({ ...report, memory: [grown(5.1)] })).toBe(false);
  });

  it('judges no growth of less than half an hour, and says so', () => {
    expect(soakPasses({ ...report, seconds: 1_799, memory: [grown(50)] })).toBe(true);
    expect(growthVerdict(grown(50), 1_799)).toBe('not judged: under 30 minutes');
    expect(growthVerdict({ ...grown(0), slope: null }, 3_600)).toBe('not measured');
  });

  it('is three tables', () => {
    expect(soakTables({ ...report, memory: [grown(5.1)] })).toEqual([
      '60.0 minutes on redis, seed 7',
      '',
      '| fault         | times |',
      '| ------------- | ----- |',
      '| worker killed | 11    |',
      '| Redis emptied | 10    |',
      '',
      '| runs acknowledged | runs ended | violations |    |',
      '| ----------------- | ---------- | ---------- | -- |',
      '| 1200              | 1200       | 0          | ok |',
      '',
      '| process | MB at the end | MB/h | error | bound |        |',
      '| ------- | ------------- | ---- | ----- | ----- | ------ |',
      '| worker  | 180.0         | 5.1  | 0.4   | 5     | FAILED |',
    ]);
  });
});
