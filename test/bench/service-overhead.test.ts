// Job B through the whole service against the bare engine, in turn on the same rows: the time from one stored epoch to
// the next, and from one computed epoch to the next. Wants an idle machine: `npm run bench:service`.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { parseCsv } from '../../src/datasets/csv.ts';
import type { Plan } from '../../src/engine/kernels.ts';
import { type EngineSpecInput, engineSpec } from '../../src/engine/spec.ts';
import { createTraining } from '../../src/engine/train.ts';
import { createLog } from '../../src/log.ts';
import { packageRoot } from '../../src/package-root.ts';
import { createCrew } from '../../workers/crew.ts';
import { chooseBackend, executorsOf, threadsFor } from '../../workers/engine-backend.ts';
import { featuresOf, ROWS, readJobs } from './jobs.ts';
import { takePairs } from './support/pairs.ts';
import { ask, type MeasuredService, startMeasured, submitRun } from './support/service.ts';

const rounds = 7;
const epochs = 16;
const overheadMax = 0.05;
const minutesMax = 8;

const { B: job } = readJobs();

/** Bytes as features, a class in ten as the target. */
function rowsOfB(): string {
  let state = 1;
  const draw = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const features = featuresOf(job);
  const names = Array.from({ length: features }, (_, i) => `x${i}`);
  const lines = [[...names, 'class'].join()];
  for (let row = 0; row < ROWS; row++) {
    const cells = Array.from({ length: features }, () => draw(256));
    lines.push([...cells, draw(job.outputs)].join());
  }
  return `${lines.join('\n')}\n`;
}

const specOf = (dataset: string): EngineSpecInput => ({
  seed: 1,
  data: { dataset, target: 'class', split: { kind: 'random', validation: 0, test: 0 } },
  model: {
    layers: [
      ...job.dense.map((units) => ({ kind: 'dense' as const, units, activation: { kind: job.activation } })),
      { kind: 'dense', units: job.outputs, activation: { kind: 'softmax' } },
    ],
  },
  loss: { kind: 'crossEntropy' },
  optimizer: { kind: 'adam', learningRate: job.learningRate },
  training: { epochs, batchSize: job.batchSize, lastBatch: 'drop' },
  metrics: [],
});

async function upload({ url, headers }: MeasuredService, csv: string): Promise<string> {
  const { status, text } = await ask(`${url}/v1/datasets?name=b`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'text/csv' },
    body: csv,
  });
  expect(status, text).toBe(201);
  return JSON.parse(text).id;
}

/** Milliseconds an epoch, from the times when the first and the last were stored. */
async function throughService(service: MeasuredService, body: string): Promise<number> {
  const id = await submitRun(service, body);
  const events = `${service.url}/v1/runs/${id}/events`;
  // The stream ends with the run; asking again and again would take the training's processors.
  await ask(events, { headers: { ...service.headers, accept: 'text/event-stream' } });
  const { text } = await ask(`${events}?limit=100`, { headers: service.headers });
  const { data }: { data: { type: string; createdAt: string }[] } = JSON.parse(text);
  const stored = data.filter(({ type }) => type === 'epoch').map(({ createdAt }) => Date.parse(createdAt));
  expect(stored).toHaveLength(epochs);
  return (Math.max(...stored) - Math.min(...stored)) / (epochs - 1);
}

it('takes at most a twentieth longer through the service than in the bare engine', async () => {
  const csv = rowsOfB();
  const table = await parseCsv(Buffer.from(csv));
  const backend = chooseBackend('auto', createLog('silent', 'bench'));
  const spec = engineSpec.parse(specOf('bare'));
  const service = await startMeasured();
  try {
    const entry = pathToFileURL(join(packageRoot(), 'dist', 'workers', 'crew-thread.js'));
    const threads = availableParallelism();
    const crew = threads > 1 ? createCrew(threads, { entry }) : null;
    const bare = (): number => {
      const crewFor = (plan: Plan) => {
        crew?.use(threadsFor(plan, backend, threads));
        return crew ?? undefined;
      };
      const training = createTraining({ spec, table, backend: executorsOf(backend), crewFor });
      let firstAt = Number.NaN;
      while (training.stopReason === null) {
        training.runEpoch({ shouldStop: () => false, onSteps: () => undefined });
        if (training.epoch === 1) firstAt = performance.now();
      }
      const lastAt = performance.now();
      training.dispose();
      return (lastAt - firstAt) / (epochs - 1);
    };
    const body = JSON.stringify(specOf(await upload(service, csv)));
    // Both once before it counts.
    await throughService(service, body);
    bare();
    const pairs = await takePairs({
      rounds,
      minutesMax,
      subject: () => throughService(service, body),
      base: async () => bare(),
    });
    console.log(
      `job B on ${backend}, ${pairs.count} pairs of ${epochs} epochs: ${pairs.subject.toFixed(1)} ms an epoch through ` +
        `the service, ${pairs.base.toFixed(1)} ms in the bare engine, median ratio ${pairs.ratio.toFixed(3)}`,
    );
    expect(pairs.ratio).toBeLessThanOrEqual(1 + overheadMax);
    await crew?.close();
  } finally {
    await service.stop();
  }
});
