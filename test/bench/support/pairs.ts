// Two things measured in turn, for the ratio of their times, on a machine that may be a guest of a busy one.
import { readFileSync } from 'node:fs';

export interface Pair {
  readonly subject: number;
  readonly base: number;
}

export interface Pairs {
  readonly count: number;
  readonly subject: number;
  readonly base: number;
  /** Of subject to base within a pair; like the others a median. */
  readonly ratio: number;
}

/** Of the processors' time. More changes a ratio by about as much as it may be off. */
const STOLEN_MAX = 0.01;

/**
 * Measures until there are `rounds` pairs during which hardly anything was stolen from the machine's processors. Throws
 * an Error when the minutes are over before there are three.
 */
export async function takePairs(at: {
  readonly rounds: number;
  readonly minutesMax: number;
  readonly subject: () => Promise<number>;
  readonly base: () => Promise<number>;
}): Promise<Pairs> {
  const { rounds, minutesMax, subject, base } = at;
  const pairs: Pair[] = [];
  let disturbed = 0;
  const end = performance.now() + minutesMax * 60_000;
  while (pairs.length < rounds && performance.now() < end) {
    const before = processorTimes();
    const pair = { subject: await subject(), base: await base() };
    const stolen = stolenShare(before, processorTimes());
    const told = stolen > STOLEN_MAX ? `, not counted: ${(stolen * 100).toFixed(1)} % was stolen` : '';
    console.log(`${pair.subject.toFixed(1)} ms against ${pair.base.toFixed(1)} ms${told}`);
    if (stolen > STOLEN_MAX) disturbed++;
    else pairs.push(pair);
  }
  if (pairs.length < Math.min(rounds, 3)) {
    throw new Error(`the machine's host was busy: ${disturbed} pairs do not count, ${pairs.length} do`);
  }
  return {
    count: pairs.length,
    subject: median(pairs.map((p) => p.subject)),
    base: median(pairs.map((p) => p.base)),
    ratio: median(pairs.map((p) => p.subject / p.base)),
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

interface ProcessorTimes {
  readonly all: number;
  readonly stolen: number;
}

/** proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal. Elsewhere nobody tells. */
function processorTimes(): ProcessorTimes {
  if (process.platform !== 'linux') return { all: 0, stolen: 0 };
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const times = line.split(/\s+/).slice(1, 9).map(Number);
  return { all: times.reduce((a, b) => a + b, 0), stolen: times[7] ?? 0 };
}

function stolenShare(before: ProcessorTimes, after: ProcessorTimes): number {
  const all = after.all - before.all;
  return all === 0 ? 0 : (after.stolen - before.stolen) / all;
}
