// Many small runs through the whole service: 500 of iris with 100 epochs each, submitted at once, from the first
// POST to the last run's end. Wants an idle machine: `npx vitest run --project bench`.
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cpuTimesMs } from './support/cpu-time.ts';
import {
  ask,
  irisRequest,
  type MeasuredService,
  redisIsThere,
  startMeasured,
  submitRun,
  uploadIris,
} from './support/service.ts';

const runCount = Number(process.env.BENCH_RUNS ?? 500);
const epochs = 100;
/** Requests under way at a time. */
const connections = 16;
const warmUpRuns = 20;
const runsPerSecondMin = 40;

interface Ended {
  readonly status: string;
  readonly epoch: number;
  readonly createdAt: string;
  readonly finishedAt: string;
  readonly weightsSha256: string;
}

async function submitAll(service: MeasuredService, body: string, count: number): Promise<void> {
  let left = count;
  const client = async () => {
    while (left-- > 0) await submitRun(service, body);
  };
  await Promise.all(Array.from({ length: connections }, client));
}

async function page(service: MeasuredService, query: string) {
  const { text } = await ask(`${service.url}/v1/runs?${query}`, { headers: service.headers });
  return JSON.parse(text) as { data: Ended[]; nextCursor: string | null };
}

/** Asked often, it would be a part of what is measured. */
const pollMs = 250;

async function allEnded(service: MeasuredService): Promise<void> {
  for (const status of ['queued', 'running']) {
    while ((await page(service, `limit=1&status=${status}`)).data.length > 0) await wait(pollMs);
  }
}

async function newest(service: MeasuredService, count: number): Promise<Ended[]> {
  const runs: Ended[] = [];
  let cursor = '';
  while (runs.length < count) {
    const { data, nextCursor } = await page(service, `limit=100${cursor}`);
    runs.push(...data);
    if (nextCursor === null) break;
    cursor = `&cursor=${encodeURIComponent(nextCursor)}`;
  }
  return runs.slice(0, count);
}

describe.each(redisIsThere ? [false, true] : [false])('with Redis: %s', (redis) => {
  let service: MeasuredService;

  beforeAll(async () => {
    service = await startMeasured({ redis });
  }, 180_000);
  afterAll(() => service.stop(), 60_000);

  it(`ends ${runCount} runs of iris at ${runsPerSecondMin} a second or more`, async () => {
    const body = irisRequest(await uploadIris(service), epochs);
    await submitAll(service, body, warmUpRuns);
    await allEnded(service);

    const before = cpuTimesMs({ ...service.pids(), client: process.pid });
    const startedAt = Date.now();
    await submitAll(service, body, runCount);
    const submittedAt = Date.now();
    await allEnded(service);
    const after = cpuTimesMs({ ...service.pids(), client: process.pid });

    const runs = await newest(service, runCount);
    expect(runs).toHaveLength(runCount);
    expect(new Set(runs.map(({ status, epoch }) => `${status} ${epoch}`))).toEqual(
      new Set([`succeeded ${epochs}`]),
    );
    expect(new Set(runs.map(({ weightsSha256 }) => weightsSha256)).size).toBe(1);
    const endedAt = Math.max(...runs.map(({ finishedAt }) => Date.parse(finishedAt)));
    const perSecond = runCount / ((endedAt - startedAt) / 1_000);
    console.log(
      `${runCount} runs of iris, ${epochs} epochs each, ${redis ? 'tickets over Redis' : 'embedded defaults'}:`,
    );
    console.log(
      `  ${perSecond.toFixed(1)} runs/s; all submitted after ${submittedAt - startedAt} ms, ended after ${endedAt - startedAt} ms`,
    );
    if (before !== null && after !== null) {
      const costs = Object.keys(after).map(
        (name) => [name, ((after[name] ?? 0) - (before[name] ?? 0)) / runCount] as const,
      );
      const total = costs.reduce((sum, [, ms]) => sum + ms, 0);
      const parts = costs.map(([name, ms]) => `${name} ${ms.toFixed(1)}`).join(', ');
      console.log(`  processor time per run: ${total.toFixed(1)} ms (${parts})`);
    }
    expect(perSecond).toBeGreaterThanOrEqual(runsPerSecondMin);
  });
});
