// One dataset for many runs: read and parsed once, prepared once for all that prepare it alike, and never believed
// when it is damaged.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildTable } from '../../src/datasets/csv.ts';
import { defaultCsvLimits } from '../../src/datasets/limits.ts';
import { backends } from '../../src/engine/codegen/backends.ts';
import { engineSpec } from '../../src/engine/spec.ts';
import { createTraining } from '../../src/engine/train.ts';
import { createLog } from '../../src/log.ts';
import { packageRoot } from '../../src/package-root.ts';
import { controlRun } from '../../src/runs/control-store.ts';
import { claimRun } from '../../src/runs/lease-store.ts';
import { readChunks } from '../../workers/chunk-store.ts';
import { startRun } from '../../workers/run.ts';
import { createDataCaches, type DataCaches } from '../../workers/run-data.ts';
import type { SharedCache } from '../../workers/shared-cache.ts';
import {
  claimant,
  insertDataset,
  insertRun,
  type RunDatabase,
  runDatabase,
  sha256,
  until,
} from './support/lifecycle.ts';
import { createOwnThreads, type OwnThreads } from './support/own-threads.ts';

const log = createLog('silent', 'test');
let at: RunDatabase;
beforeAll(async () => {
  at = await runDatabase(process.env.TEST_DATABASE_URL ?? '');
});
afterAll(() => at.drop());

const csv = readFileSync(join(packageRoot(), 'examples', 'data', 'iris.csv'), 'utf8');
const columns = [
  ...['sepal_length', 'sepal_width', 'petal_length', 'petal_width'].map((name) => ({
    name,
    type: 'numeric',
  })),
  { name: 'species', type: 'categorical' },
];
const store = () => insertDataset(at, { csv, columns, rowCount: 150, chunkBytes: 500 });

const specOf = (dataset: string, { seed = 3, units = 8, validation = 0.2 } = {}) =>
  engineSpec.parse({
    seed,
    data: { dataset, target: 'species', split: { kind: 'random', validation, test: 0.1 } },
    model: {
      layers: [
        { kind: 'dense', units, activation: { kind: 'tanh' } },
        { kind: 'dense', units: 3 },
      ],
    },
    training: { epochs: 3, batchSize: 16 },
  });

let caches: DataCaches;
let threads: OwnThreads;
beforeEach(() => {
  caches = createDataCaches();
  threads = createOwnThreads();
});

/** What was made of the file, by whichever run. */
const made = () =>
  threads.heard.flatMap(({ type }) => (type === 'parsed' || type === 'encoded' ? [type] : []));

async function start(spec: ReturnType<typeof specOf>, backend: 'wasm' | 'interpreter' = 'wasm') {
  const runId = await insertRun(at, {
    datasetId: spec.data.dataset,
    spec: JSON.parse(JSON.stringify(spec)),
    epochsPlanned: 3,
  });
  const claimed = await claimRun(at.db, runId, claimant('test', 30));
  if (claimed === null) throw new Error('the run was not queued');
  const deps = { db: at.sql, caches, threads, threadsMax: 1, leaseSeconds: 30, stallSeconds: 20, log };
  return { task: startRun({ ...deps, backend }, claimed), runId };
}

async function train(spec: ReturnType<typeof specOf>, backend: 'wasm' | 'interpreter' = 'wasm') {
  const { task, runId } = await start(spec, backend);
  await task.ended;
  return at.db.run.findUniqueOrThrow({ where: { id: runId } });
}

/** The same training, all by itself. */
async function expectedHash(spec: ReturnType<typeof specOf>): Promise<string> {
  const table = await buildTable([new TextEncoder().encode(csv)], ['species'], defaultCsvLimits);
  const training = createTraining({ spec, table, backend: backends.interpreter });
  const control = { shouldStop: () => false, onSteps: () => undefined };
  while (training.stopReason === null) training.runEpoch(control);
  return sha256(training.parameterBytes());
}

describe('runs on one dataset', () => {
  it.each(['wasm', 'interpreter'] as const)(
    'read it once and prepare it once, and compute what each would alone: %s',
    async (backend) => {
      const dataset = await store();
      const specs = [8, 8, 5, 12].map((units) => specOf(dataset, { units }));
      const runs = await Promise.all(specs.map((spec) => train(spec, backend)));
      expect(made().sort()).toEqual(['encoded', 'parsed']);
      runs.push(await train(specOf(dataset, { units: 7 }), backend));
      specs.push(specOf(dataset, { units: 7 }));
      expect(made()).toHaveLength(2);
      for (const [i, spec] of specs.entries()) {
        expect(runs[i]).toMatchObject({ status: 'succeeded', weightsSha256: await expectedHash(spec) });
      }
    },
  );

  it('prepare it again, from the same table, where they split it otherwise', async () => {
    const dataset = await store();
    const specs = [specOf(dataset), specOf(dataset, { seed: 4 }), specOf(dataset, { validation: 0.3 })];
    const runs = await Promise.all(specs.map((spec) => train(spec)));
    expect(made().sort()).toEqual(['encoded', 'encoded', 'encoded', 'parsed']);
    for (const [i, spec] of specs.entries()) {
      expect(runs[i]?.weightsSha256).toBe(await expectedHash(spec));
    }
  });

  it('tell each other the classes of their target, not those of every column of whole numbers', async () => {
    const rows = Array.from({ length: 60 }, (_, i) => `${i % 7},${i % 3}`);
    const dataset = await insertDataset(at, {
      csv: ['size,grade', ...rows, ''].join('\n'),
      columns: ['size', 'grade'].map((name) => ({ name, type: 'numeric' })),
      rowCount: rows.length,
    });
    const { data, ...rest } = specOf(dataset);
    const spec = engineSpec.parse({
      ...rest,
      data: { ...data, target: 'grade' },
      loss: { kind: 'crossEntropy' },
    });
    const runs = [await train(spec), await train(spec)];
    expect(runs.map(({ status }) => status)).toEqual(['succeeded', 'succeeded']);
    expect(runs[1]?.weightsSha256).toBe(runs[0]?.weightsSha256);
    expect(threads.starts.map((start) => start.data.from)).toEqual(['chunks', 'encoded']);
    const [told] = threads.heard.flatMap((message) => (message.type === 'encoded' ? [message.encoded] : []));
    expect(told?.columns).toMatchObject([
      { name: 'size', classes: null },
      { name: 'grade', classes: ['0', '1', '2'] },
    ]);
  });

  it('share the content, not the name it goes by', async () => {
    await train(specOf(await store()));
    await train(specOf(await store()));
    expect(made()).toHaveLength(2);
  });
});

describe('a run that waits for data another one prepares', () => {
  it.each(['cancel', 'drain'] as const)('leaves at once on a %s', async (word) => {
    const dataset = await store();
    const acquired: string[] = [];
    const { parsed, encoded } = createDataCaches();
    // Whatever it asks for is being made by somebody who never gets it done.
    const busy = <T>(cache: SharedCache<T>): SharedCache<T> => ({
      acquire: async (key, options) => {
        await cache.acquire(key);
        acquired.push(key);
        return cache.acquire(key, options);
      },
    });
    caches = { parsed: busy(parsed), encoded: busy(encoded) };
    const { task, runId } = await start(specOf(dataset));
    await until(() => acquired.length === 1, 'the wait');
    if (word === 'drain') task.drain();
    else {
      await controlRun(at.db, at.projectId, runId, 'cancel');
      task.check();
    }
    await task.ended;
    const { status } = await at.db.run.findUniqueOrThrow({ where: { id: runId } });
    expect(status).toBe(word === 'drain' ? 'queued' : 'cancelled');
    expect(threads.starts).toEqual([]);
  });
});

describe('a damaged dataset', () => {
  const damage = (datasetId: string) => at.db.$executeRaw`
    UPDATE "DatasetChunk" SET "bytes" = set_byte("bytes", 5, get_byte("bytes", 5) # 1)
    WHERE "datasetId" = ${datasetId}::uuid AND "index" = 2`;

  it('fails its run, and a whole copy of the same content is not blamed', async () => {
    const [broken, whole] = [await store(), await store()];
    await damage(broken);
    const failing = train(specOf(broken));
    await until(() => threads.starts.length === 1, 'the first reader');
    const given = await train(specOf(whole));
    expect(await failing).toMatchObject({
      status: 'failed',
      stopReason: 'invalidData',
      failure: { detail: 'The stored dataset is damaged in part 3.' },
    });
    expect(given.status).toBe('succeeded');
  });

  it('is noticed where a chunk is missing, and where there is more than there should be', async () => {
    const cut = await store();
    await at.db.datasetChunk.delete({ where: { datasetId_index: { datasetId: cut, index: 1 } } });
    expect((await train(specOf(cut))).failure).toMatchObject({
      detail: 'The stored dataset is incomplete at part 2.',
    });
    const chunks = readChunks(at.sql, await store(), 700);
    const first = await chunks.next();
    expect(first?.length).toBe(500);
    expect(first?.buffer.byteLength).toBe(500);
    await expect(chunks.next()).rejects.toThrow('incomplete at part 2');
  });

  it('that no longer has the columns its spec names fails the run for that', async () => {
    const dataset = await insertDataset(at, {
      csv: csv.replace('species', 'kind'),
      columns: columns.map(({ name, type }) => ({ name: name.replace('species', 'kind'), type })),
      rowCount: 150,
    });
    expect(await train(specOf(dataset))).toMatchObject({ status: 'failed', stopReason: 'invalidData' });
  });
});
