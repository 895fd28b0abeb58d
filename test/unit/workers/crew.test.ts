import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CALL_ARGUMENTS } from '../../../src/engine/codegen/wasm/module.ts';
import { createPlan } from '../../../src/engine/plan.ts';
import { sha256Hex } from '../../../src/idempotency/sha256.ts';
import { createCrew, type OwnedCrew } from '../../../workers/crew.ts';
import { type CompiledEntry, compileEntry } from '../../support/compile-entry.ts';
import { expectSameRun, normals, oneStep } from '../engine/codegen/compare.ts';
import { createPoisoned } from '../engine/codegen/poisoned.ts';
import { randomNetwork } from '../engine/random-network.ts';

let crews: readonly OwnedCrew[] = [];
let fixture: URL;
const compiled: CompiledEntry[] = [];
const opened: OwnedCrew[] = [];
const open = (threads: number, entry: URL): OwnedCrew => {
  const crew = createCrew(threads, { entry });
  opened.push(crew);
  return crew;
};

beforeAll(() => {
  const entry = compileEntry('workers/crew-thread.ts');
  const failing = compileEntry('test/unit/workers/crew-fixture.ts');
  compiled.push(entry, failing);
  fixture = failing.url;
  crews = [open(2, entry.url), open(3, entry.url)];
}, 60_000);
afterAll(async () => {
  await Promise.all(opened.map((crew) => crew.close()));
  for (const { remove } of compiled) remove();
});

const dense = (units: number, kind: string) => ({
  kind: 'dense',
  units,
  activation: { kind },
  weights: { kind: 'heNormal' },
  bias: { kind: 'zeros' },
});

describe('several threads on one executor', () => {
  it.each([1, 2, 3])('%i give the bits of the interpreter on dense networks', (threads) => {
    for (const [batchSize, features, units] of [
      [32, 70, [130, 65, 10]],
      [17, 33, [40, 3]],
      [1, 5, [1]],
      [64, 140, [150, 2]],
    ] as const) {
      const plan = createPlan(
        {
          model: { layers: units.map((n, i) => dense(n, i < units.length - 1 ? 'relu' : 'linear')) },
          loss: { kind: units.at(-1) === 1 ? 'meanSquaredError' : 'crossEntropy' },
          optimizer: { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
          training: { batchSize },
          metrics: [],
        },
        { features, targets: units.at(-1) ?? 1 },
      );
      const rows = batchSize + 3;
      const outputs = units.at(-1) ?? 1;
      const targets = Float32Array.from({ length: rows * outputs }, (_, i) => Number(i % outputs === 0));
      const data = { rows, features: normals(rows * features, 'x'), targets };
      const steps = [batchSize, Math.ceil(batchSize / 2), 1, batchSize, batchSize];
      const batch = {
        indices: Int32Array.from({ length: steps.reduce((a, b) => a + b) }, (_, i) => (i * 7) % rows),
        rows: Int32Array.from(steps),
        inputs: Float32Array.from(steps.flatMap((n, s) => [1 / n, 0.01, 0.9 ** (s + 1), 0.999 ** (s + 1)])),
      };
      const crew = crews.find((c) => c.threads === threads);
      const values = (name: string, length: number) =>
        name.startsWith('layers.') && name.split('.').length > 3 ? new Float32Array(length) : null;
      const { inputs } = plan.programs.train;
      const at = { data, values, ...(crew === undefined ? {} : { crew }) };
      const trained = {
        ...batch,
        inputs: Float32Array.from(
          steps.flatMap((_, s) => [...batch.inputs.slice(s * 4, s * 4 + 4)].slice(0, inputs.length)),
        ),
      };
      expectSameRun(plan, { ...at, batch: trained });
      expectSameRun(plan, { ...at, program: 'evaluate', batch: { ...batch, inputs: new Float32Array() } });
      expectSameRun(plan, { ...at, program: 'predict', batch: { ...batch, inputs: new Float32Array() } });
    }
  });
});

describe('a thread that fails in WebAssembly', () => {
  it('takes the others along, who say why, and can go on afterwards', () => {
    const network = randomNetwork(3);
    const plan = createPlan(network.spec, { ...network.shape, coded: false });
    const [crew] = crews;
    if (crew === undefined) throw new Error('no crew');
    const { rows, shape } = network;
    const data = {
      rows,
      features: normals(rows * shape.features, 'x'),
      targets: new Float32Array(rows * shape.targets),
    };
    let beyond = true;
    const arena = CALL_ARGUMENTS.indexOf('arena');
    const executor = createPoisoned(plan, data, 1, {
      ...crew,
      begin: (program, call) =>
        crew.begin(program, beyond ? call.map((v, i) => (i === arena ? 0xffffff00 : v)) : call),
    });
    const batch = { ...oneStep(network.rows - 3), inputs: new Float32Array() };
    expect(() => executor.run('evaluate', batch)).toThrow('thread 1: memory access out of bounds');
    beyond = false;
    expect(executor.run('evaluate', batch).length).toBe(plan.programs.evaluate.outputs.length);
    executor.dispose();
  });
});

describe('a crew', () => {
  const shared = () => new Int32Array(new SharedArrayBuffer(64));

  it('works with every thread, seat after seat', () => {
    const crew = open(3, fixture);
    for (let seat = 0; seat < 3; seat++) {
      const memory = shared();
      crew.attach({ backend: 'shared', shared: memory });
      for (let value = 1; value < 50; value++) {
        crew.begin('train', [-1, value]);
        crew.finish();
        expect([...memory.slice(0, 4)]).toEqual([0, 3000 + value, 3000 + value, 0]);
      }
      crew.detach();
    }
  });

  it('wakes after it has slept', async () => {
    const crew = open(2, fixture);
    const memory = shared();
    crew.attach({ backend: 'shared', shared: memory });
    await sleep(100);
    crew.begin('train', [-1, 5]);
    crew.finish();
    expect(memory[1]).toBe(2005);
  });

  it('says which thread failed with what, and goes on', () => {
    const crew = open(3, fixture);
    const memory = shared();
    crew.attach({ backend: 'shared', shared: memory });
    crew.begin('evaluate', [2, 1]);
    expect(() => crew.finish()).toThrow('thread 2: evaluate fails here');
    crew.begin('predict', [-1, 7]);
    crew.finish();
    expect(memory[2]).toBe(3007);
  });

  it('refuses seats that it does not have, and those that cannot be taken', () => {
    const crew = open(2, fixture);
    expect(() => crew.attach({ backend: 'toString' })).toThrow('no seats of the back end toString');
    expect(() => crew.attach({ backend: 'none' })).toThrow('cannot sit here');
    expect(() => crew.begin('train', [])).toThrow('no seat');
    crew.attach({ backend: 'shared', shared: shared() });
    expect(() => crew.attach({ backend: 'shared', shared: shared() })).toThrow('has a seat');
    expect(() => crew.finish()).toThrow('not at work');
    crew.detach();
    crew.detach();
    expect(() => createCrew(1)).toThrow(RangeError);
  });

  it('starts its threads only when there is work for more than one', () => {
    const idle = createCrew(2, { entry: fixture, active: 1 });
    opened.push(idle);
    // That seat cannot be taken, which nobody notices before somebody tries.
    idle.attach({ backend: 'none' });
    expect(() => idle.attach({ backend: 'none' })).toThrow('has a seat');
    idle.use(2);
    expect(() => idle.begin('train', [])).toThrow('cannot sit here');
    idle.detach();

    const words = shared();
    idle.use(1);
    idle.attach({ backend: 'shared', shared: words });
    idle.use(2);
    idle.begin('train', [0, 5]);
    idle.finish();
    expect([...words]).toEqual([0, 2005, ...words.slice(2)]);
    idle.detach();
  });

  it('takes the hash of values while they are being written', () => {
    const crew = open(3, fixture);
    const count = 200_003;
    const values = () => new Float32Array(new SharedArrayBuffer(count * Float32Array.BYTES_PER_ELEMENT));
    expect(crew.hash.begin(values())).toBe(false);
    expect(() => crew.hash.finish()).toThrow('takes no hash');
    const memory = shared();
    crew.attach({ backend: 'shared', shared: memory });
    for (const pieces of [1, 7, 500]) {
      const written = values();
      expect(crew.hash.begin(written)).toBe(true);
      for (let piece = 0; piece < pieces; piece++) {
        const [from, to] = [piece, piece + 1].map((n) => Math.floor((n * count) / pieces));
        for (let i = from ?? 0; i < (to ?? 0); i++) written[i] = i * pieces;
        crew.hash.filled(to ?? 0);
      }
      expect(crew.hash.finish()).toBe(sha256Hex(written.slice()));
      crew.begin('train', [-1, pieces]);
      crew.finish();
      expect(memory[2]).toBe(3000 + pieces);
    }
    crew.use(1);
    expect(crew.hash.begin(values())).toBe(false);
  });

  it('lets a hash go that is not wanted any more', () => {
    const crew = open(2, fixture);
    const memory = shared();
    const values = new Float32Array(new SharedArrayBuffer(400_000));
    crew.hash.cancel();
    for (const filled of [0, 50_000, values.length]) {
      crew.attach({ backend: 'shared', shared: memory });
      for (const end of [crew.hash.cancel, () => crew.begin('train', [-1, filled]), crew.detach]) {
        expect(crew.hash.begin(values)).toBe(true);
        crew.hash.filled(filled);
        end();
        expect(() => crew.hash.finish()).toThrow('takes no hash');
        if (end !== crew.detach && end !== crew.hash.cancel) crew.finish();
      }
    }
    crew.attach({ backend: 'shared', shared: memory });
    values.fill(3);
    crew.hash.begin(values);
    crew.hash.filled(values.length);
    expect(crew.hash.finish()).toBe(sha256Hex(values.slice()));
  });

  it('tells of a thread that is gone', async () => {
    const crew = open(2, new URL('data:text/javascript,throw new Error("no modules")'));
    await sleep(500);
    expect(() => crew.attach({ backend: 'shared', shared: shared() })).toThrow('gone');
  });

  it.runIf(process.platform === 'linux')('leaves no thread behind when its owner is terminated', async () => {
    const tasks = () => readdirSync('/proc/self/task').length;
    const before = tasks();
    const owner = new Worker(fixture, { workerData: { crewEntry: fixture.href } });
    await once(owner, 'message');
    expect(tasks()).toBeGreaterThanOrEqual(before + 3);
    await owner.terminate();
    const deadline = Date.now() + 10_000;
    while (tasks() > before && Date.now() < deadline) await sleep(20);
    expect(tasks()).toBeLessThanOrEqual(before);
  });
});
