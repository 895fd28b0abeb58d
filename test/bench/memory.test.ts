// What the worker takes to train on all of MNIST, with one run and with up to eight at a time: at most 1.3 times the
// dataset as 32-bit floats, the plan, and 120 MB. Wants Linux: `MNIST_DIR=… npx vitest run --project bench`.
import { readFileSync } from 'node:fs';
import { platform } from 'node:os';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createPlan } from '../../src/engine/plan.ts';
import { engineSpec } from '../../src/engine/spec.ts';
import { until } from '../flow/support/lifecycle.ts';
import { mnistCsv, mnistDir, mnistRows, pixels } from './support/mnist.ts';
import { ask, type MeasuredService, startMeasured, submitRun } from './support/service.ts';

const MiB = 1024 ** 2;
const datasetBytes = mnistRows * (pixels + 1) * Float32Array.BYTES_PER_ELEMENT;

const spec = (dataset: string) => ({
  seed: 1,
  data: { dataset, target: 'label', split: { kind: 'random', validation: 0.1, test: 0.1 } },
  model: {
    layers: [
      { kind: 'dense', units: 64, activation: { kind: 'relu' } },
      { kind: 'dense', units: 10, activation: { kind: 'softmax' } },
    ],
  },
  loss: { kind: 'crossEntropy' },
  metrics: ['accuracy'],
  training: { epochs: 2, batchSize: 64 },
});

function planBytes(): number {
  const { loss = { kind: 'crossEntropy' }, metrics = [], ...rest } = engineSpec.parse(spec('mnist'));
  return createPlan({ ...rest, loss, metrics }, { features: pixels, targets: 10 }).arenaBytes;
}

async function upload({ url, headers }: MeasuredService): Promise<string> {
  const answer = await fetch(`${url}/v1/datasets?name=mnist`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'text/csv' },
    body: Readable.toWeb(Readable.from(mnistCsv(), { objectMode: false })),
    duplex: 'half',
  } as RequestInit);
  const body = (await answer.json()) as { id: string };
  expect(answer.status, JSON.stringify(body)).toBe(201);
  return body.id;
}

/** Of a process, in bytes: what it holds now, and the most it ever held. */
function memoryOf(pid: number): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kibibytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]);
  return { now: kibibytes('VmRSS') * 1024, peak: kibibytes('VmHWM') * 1024 };
}

const show = (bytes: number) => `${Math.round(bytes / MiB)} MiB`;

describe.runIf(platform() === 'linux')('training on MNIST', () => {
  it.each([
    [1, 'wasm'],
    [2, 'wasm'],
    [4, 'wasm'],
    [8, 'wasm'],
    [1, 'auto'],
    [2, 'auto'],
    [4, 'auto'],
    [8, 'auto'],
  ])(
    'with %s runs at a time takes no more than is allowed: %s',
    async (runs, backend) => {
      const service = await startMeasured({ env: { WORKER_SLOTS: String(runs), ENGINE_BACKEND: backend } });
      try {
        const dataset = await upload(service);
        const { worker = 0 } = service.pids();
        const before = memoryOf(worker);
        const body = JSON.stringify(spec(dataset));
        const ids = await Promise.all(Array.from({ length: runs }, () => submitRun(service, body)));
        const statusOf = async (id: string): Promise<string> =>
          JSON.parse((await ask(`${service.url}/v1/runs/${id}`, { headers: service.headers })).text).status;
        const ended = async () =>
          (await Promise.all(ids.map(statusOf))).every((status) => status === 'succeeded');
        await until(ended, 'the runs', 300_000);
        const after = memoryOf(worker);
        const limit = 1.3 * datasetBytes + planBytes() + 120 * MiB;
        console.log(
          `MNIST${mnistDir === undefined ? ' of noise' : ''}, ${backend}, ${runs} at a time: ${show(before.now)} before, ` +
            `${show(after.peak)} at most, ${show(after.now)} after; allowed ${show(limit)}`,
        );
        expect(after.peak).toBeLessThanOrEqual(limit);
      } finally {
        await service.stop();
      }
    },
    600_000,
  );
});
