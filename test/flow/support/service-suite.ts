// What the whole service promises over HTTP, whatever it runs on: once on its embedded defaults, once on Redis
// and Postgres with two workers.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../../src/package-root.ts';
import { dataFolder } from './command.ts';
import { until } from './lifecycle.ts';

export interface ServiceUnderTest {
  readonly url: string;
  readonly apiKey: string;
  /** Pids of the workers that are up now. */
  workers(): number[];
  /** Sees to it that a killed worker has a successor. */
  replaceWorker(): Promise<void>;
  stop(): Promise<void>;
}

const examples = join(packageRoot(), 'examples');
const golden = JSON.parse(readFileSync(join(packageRoot(), 'test/golden/digits-weights.json'), 'utf8'));

interface Run {
  readonly id: string;
  readonly status: string;
  readonly stopReason: string | null;
  readonly epoch: number;
  readonly results: Record<string, number> | null;
  readonly weightsSha256: string | null;
}

/** `kills`: how often the worker of one digits run is killed. `python`: whether python3 is there. */
export function itServesRuns(
  start: () => Promise<ServiceUnderTest>,
  { kills, python }: { kills: number; python: boolean },
): void {
  let service: ServiceUnderTest;
  let digits: string;
  let iris: string;

  async function call(method: string, path: string, body?: unknown, type = 'application/json') {
    const content =
      body === undefined ? {} : { body: type === 'text/csv' ? String(body) : JSON.stringify(body) };
    const headers = {
      authorization: `Bearer ${service.apiKey}`,
      ...(body !== undefined && { 'content-type': type }),
    };
    return fetch(`${service.url}${path}`, { method, headers, ...content });
  }
  async function json<T>(
    method: string,
    path: string,
    status: number,
    body?: unknown,
    type?: string,
  ): Promise<T> {
    const response = await call(method, path, body, type);
    const text = await response.text();
    expect(response.status, text).toBe(status);
    return JSON.parse(text);
  }
  async function upload(name: string): Promise<string> {
    const csv = readFileSync(join(examples, 'data', `${name}.csv`), 'utf8');
    return (await json<{ id: string }>('POST', `/v1/datasets?name=${name}`, 201, csv, 'text/csv')).id;
  }
  async function submit(name: string, dataset: string, changes: object = {}): Promise<string> {
    const spec = JSON.parse(readFileSync(join(examples, `${name}.json`), 'utf8'));
    const body = { ...spec, ...changes, data: { ...spec.data, dataset } };
    return (await json<Run>('POST', '/v1/runs', 201, body)).id;
  }
  const read = (id: string) => json<Run>('GET', `/v1/runs/${id}`, 200);
  async function ended(id: string, limitMs = 60_000): Promise<Run> {
    const over = async () => ['succeeded', 'failed', 'cancelled'].includes((await read(id)).status);
    await until(over, `run ${id} to end`, limitMs);
    return read(id);
  }
  async function storedEpochs(id: string): Promise<number[]> {
    return (await json<{ epochs: number[] }>('GET', `/v1/runs/${id}/metrics`, 200)).epochs;
  }

  beforeAll(async () => {
    service = await start();
    digits = await upload('digits');
    iris = await upload('iris');
  });
  afterAll(() => service.stop());

  describe('a digits run', () => {
    it('gives the weights that every engine and machine gives, and is right 97 times in 100', async () => {
      const id = await submit('digits', digits);
      const run = await ended(id);
      expect(run).toMatchObject({ status: 'succeeded', weightsSha256: golden.weightsSha256 });
      expect(run.results?.testAccuracy).toBeGreaterThanOrEqual(0.97);
      const file = new Uint8Array(await (await call('GET', `/v1/runs/${id}/weights`)).arrayBuffer());
      const header = new DataView(file.buffer).getUint32(0, true);
      const parameters = createHash('sha256')
        .update(file.subarray(8 + header))
        .digest('hex');
      expect(parameters).toBe(golden.weightsSha256);
    });

    it('gives iris the same weights on any number of threads', async () => {
      const { training } = JSON.parse(readFileSync(join(examples, 'iris.json'), 'utf8'));
      const ids: string[] = [];
      for (const threads of [1, 2, 3, 'auto']) {
        ids.push(await submit('iris', iris, { training: { ...training, threads } }));
      }
      const runs = await Promise.all(ids.map((id) => ended(id)));
      expect(runs.map((run) => run.status)).toEqual(ids.map(() => 'succeeded'));
      expect(new Set(runs.map((run) => run.weightsSha256)).size).toBe(1);
    });

    it('gives them also when its worker is killed, time after time', async () => {
      const id = await submit('digits', digits);
      for (let kill = 1; kill <= kills; kill++) {
        // A later epoch each time, and a moment within it that differs.
        await until(async () => (await read(id)).epoch >= kill * 5, `epoch ${kill * 5}`, 60_000);
        await new Promise((resolve) => setTimeout(resolve, kill * 7));
        for (const pid of service.workers()) process.kill(pid, 'SIGKILL');
        await service.replaceWorker();
      }
      const run = await ended(id);
      expect(run).toMatchObject({ status: 'succeeded', weightsSha256: golden.weightsSha256 });
      expect(await storedEpochs(id)).toEqual(Array.from({ length: run.epoch }, (_, i) => i + 1));
    });
  });

  if (python) {
    it('gives weights that Python opens, to the same answers', async () => {
      const id = await submit('iris', iris);
      await ended(id);
      const folder = dataFolder();
      const model = join(folder.path, 'model.safetensors');
      writeFileSync(model, new Uint8Array(await (await call('GET', `/v1/runs/${id}/weights`)).arrayBuffer()));
      const csv = join(examples, 'data', 'iris.csv');
      const script = join(examples, 'python', 'predict.py');
      const lines = execFileSync('python3', [script, model, csv], { encoding: 'utf8' }).trim().split('\n');
      folder.remove();
      const [head = '', ...cells] = readFileSync(csv, 'utf8').trim().split(/\r?\n/);
      const names = head.split(',').slice(0, 4);
      const rows = cells.map((line) => {
        const values = line.split(',');
        return Object.fromEntries(names.map((name, i) => [name, Number(values[i])]));
      });
      type Answer = { value: string; probabilities: Record<string, number> };
      const answers = await json<{ predictions: Answer[] }>('POST', `/v1/runs/${id}/predictions`, 200, {
        rows,
      });
      expect(answers.predictions).toHaveLength(150);
      for (const [i, answer] of answers.predictions.entries()) {
        const there: Answer = JSON.parse(lines[i] ?? 'null');
        expect(there.value).toBe(answer.value);
        for (const [label, share] of Object.entries(answer.probabilities)) {
          // f64 there, f32 here.
          expect(Math.abs((there.probabilities[label] ?? Number.NaN) - share)).toBeLessThan(1e-6);
        }
      }
    });
  }

  it('streams a run’s events without a gap, and again from where a reader stopped', async () => {
    const id = await submit('iris', iris);
    const stream = async (headers: Record<string, string>) => {
      const response = await fetch(`${service.url}/v1/runs/${id}/events`, {
        headers: { authorization: `Bearer ${service.apiKey}`, accept: 'text/event-stream', ...headers },
      });
      return [...(await response.text()).matchAll(/^id: ?(\d+)$/gm)].map(([, n]) => Number(n));
    };
    const all = await stream({});
    expect(all).toEqual(all.map((_, i) => i + 1));
    expect(all.length).toBeGreaterThan(60);
    expect(await stream({ 'last-event-id': '40' })).toEqual(all.slice(40));
  });

  it('cancels a running run within seconds', async () => {
    const id = await submit('digits', digits, { training: { epochs: 100_000, batchSize: 8 } });
    await until(async () => (await read(id)).epoch >= 1, 'the first epoch');
    await json('POST', `/v1/runs/${id}/cancel`, 202);
    expect(await ended(id, 10_000)).toMatchObject({ status: 'cancelled', stopReason: 'user' });
  });

  it('ends a diverging run as failed, its numbers readable', async () => {
    const id = await submit('iris', iris, { optimizer: { kind: 'sgd', learningRate: 1e38 } });
    expect(await ended(id)).toMatchObject({ status: 'failed', stopReason: 'diverged' });
    expect((await storedEpochs(id)).length).toBeGreaterThan(0);
  });
}
