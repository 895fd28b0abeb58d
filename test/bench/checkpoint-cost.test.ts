// What a checkpoint every 2 s costs a net of 5 million parameters under Adam, through the whole service: the time from
// one stored epoch to the next against the same run without checkpoints, in turn. Wants an idle machine:
// `npm run bench:service`.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageRoot } from '../../src/package-root.ts';
import { takePairs } from './support/pairs.ts';
import { ask, type MeasuredService, startMeasured, submitRun } from './support/service.ts';

const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const epochs = 24;
const units = 2_200;
const everySeconds = 2;
const costMax = 0.05;
const minutesMax = 12;

const specOf = (dataset: string, seconds: number) => ({
  seed: 1,
  data: { dataset, target: 'digit', split: { kind: 'random', validation: 0, test: 0 } },
  model: {
    layers: [
      { kind: 'dense', units, activation: { kind: 'relu' } },
      { kind: 'dense', units, activation: { kind: 'relu' } },
      { kind: 'dense', units: 10, activation: { kind: 'softmax' } },
    ],
  },
  optimizer: { kind: process.env.BENCH_OPTIMIZER ?? 'adam', learningRate: 0.0001 },
  training: { epochs, batchSize: 128, checkpoints: { everySeconds: seconds } },
  metrics: [],
});

async function upload({ url, headers }: MeasuredService): Promise<string> {
  const { status, text } = await ask(`${url}/v1/datasets?name=digits&categorical=digit`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'text/csv' },
    body: readFileSync(join(packageRoot(), 'examples', 'data', 'digits.csv')),
  });
  expect(status, text).toBe(201);
  return JSON.parse(text).id;
}

/** Milliseconds an epoch, from the times when the first and the last were stored. */
async function epochMs(service: MeasuredService, body: object): Promise<number> {
  const id = await submitRun(service, JSON.stringify(body));
  const events = `${service.url}/v1/runs/${id}/events`;
  await ask(events, { headers: { ...service.headers, accept: 'text/event-stream' } });
  const { text } = await ask(`${events}?limit=100`, { headers: service.headers });
  const { data }: { data: { type: string; createdAt: string }[] } = JSON.parse(text);
  const stored = data.filter(({ type }) => type === 'epoch').map(({ createdAt }) => Date.parse(createdAt));
  expect(stored).toHaveLength(epochs);
  return (Math.max(...stored) - Math.min(...stored)) / (epochs - 1);
}

it('a checkpoint every 2 s costs at most a twentieth of the time', {
  timeout: (minutesMax + 8) * 60_000,
}, async () => {
  const service = await startMeasured();
  try {
    const dataset = await upload(service);
    await epochMs(service, specOf(dataset, everySeconds));
    const { count, subject, base, ratio } = await takePairs({
      rounds,
      minutesMax,
      subject: () => epochMs(service, specOf(dataset, everySeconds)),
      base: () => epochMs(service, specOf(dataset, 86_400)),
    });
    console.log(
      `5 million parameters, ${count} pairs of ${epochs} epochs: ${subject.toFixed(1)} ms an epoch with a checkpoint ` +
        `every ${everySeconds} s, ${base.toFixed(1)} ms without, median ratio ${ratio.toFixed(3)}`,
    );
    expect(ratio).toBeLessThanOrEqual(1 + costMax);
  } finally {
    await service.stop();
  }
});
