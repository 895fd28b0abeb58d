/** Runs one plan on every back end and compares each buffer's bits with the interpreter's. */
import { expect } from 'vitest';
import type { BufferTable } from '../../../../src/engine/buffers.ts';
import { createBufferTable } from '../../../../src/engine/buffers.ts';
import { createInterpreter } from '../../../../src/engine/codegen/interpreter.ts';
import type { Crew } from '../../../../src/engine/crew.ts';
import { input, mul } from '../../../../src/engine/expr.ts';
import type {
  BufferId,
  Executor,
  Kernel,
  Plan,
  ProgramName,
  ResidentData,
  StepBatch,
} from '../../../../src/engine/kernels.ts';
import { rowsPerSample } from '../../../../src/engine/kernels.ts';
import { stream } from '../../../../src/engine/random.ts';
import { compiledBackends } from './candidates.ts';

const CANONICAL_NAN = 0x7fc00000;

/** The bits of floats; every NaN counts as the same. */
export function bitsOf(values: Float32Array): Int32Array {
  const bits = new Int32Array(values.slice().buffer);
  for (const [i, v] of values.entries()) if (Number.isNaN(v)) bits[i] = CANONICAL_NAN;
  return bits;
}

export function expectSameBits(actual: Float32Array, expected: Float32Array, what: string): void {
  const a = bitsOf(actual);
  const b = bitsOf(expected);
  expect(a.length, what).toBe(b.length);
  const at = a.findIndex((bits, i) => bits !== b[i]);
  if (at >= 0) expect.fail(`${what}[${at}]: ${actual[at]} instead of ${expected[at]}`);
}

export const normals = (count: number, name: string): Float32Array => {
  const random = stream(7, name);
  return Float32Array.from({ length: count }, () => random.normal());
};

/** Floats of each buffer as back ends read and write it. */
export const lengthOf = (plan: Plan, id: BufferId): number => {
  const b = plan.buffers[id];
  if (b === undefined) throw new Error(`no buffer ${id}`);
  return (
    b.capacityRows *
    (typeof b.columns === 'number' ? b.columns : plan.batchSize * (rowsPerSample(b.columns) ?? 1))
  );
};

export interface HandMade {
  readonly batchSize: number;
  readonly panel?: number;
  readonly stepInputs?: readonly string[];
  readonly stepOutputs?: readonly string[];
  /** Columns of the two resident tables. */
  readonly featureCount?: number;
  readonly targetCount?: number;
  readonly coded?: boolean;
  kernels(buffers: BufferTable): readonly Kernel[];
}

/** A plan of nothing but the given kernels. */
export function planOf(at: HandMade): Plan {
  const {
    batchSize,
    panel = 16,
    stepInputs = [],
    stepOutputs = [],
    featureCount = 1,
    targetCount = 1,
    coded = false,
  } = at;
  const buffers = createBufferTable(batchSize, panel);
  const kernels = at.kernels(buffers);
  const empty = { kernels: [], inputs: [], outputs: [], flops: 0 };
  return {
    batchSize,
    panel,
    featureCount,
    targetCount,
    coded,
    outputCount: 1,
    ...buffers.place(),
    parameters: [],
    parameterCount: 0,
    streams: [],
    programs: {
      train: { kernels, inputs: stepInputs, outputs: stepOutputs, flops: 0 },
      evaluate: empty,
      predict: empty,
    },
    prediction: 0,
  };
}

const noData = (plan: Plan, rows: number): ResidentData => ({
  rows,
  features: normals(rows * plan.featureCount, 'features'),
  targets: normals(rows * plan.targetCount, 'targets'),
});

export interface Setting {
  readonly program?: ProgramName;
  readonly batch: StepBatch;
  readonly data?: ResidentData;
  readonly crew?: Crew;
  /** Starting values by buffer; random normals otherwise. */
  readonly values?: (name: string, length: number) => Float32Array | null;
}

/** Runs all back ends from the same state; returns the interpreter's executor after the comparisons. */
export function expectSameRun(plan: Plan, at: Setting): Executor {
  const { program = 'train', batch } = at;
  const data = at.data ?? noData(plan, plan.batchSize);
  const stepsMax = Math.max(1, batch.rows.length);
  const start = plan.buffers.map((b) => {
    const length = lengthOf(plan, b.id);
    return at.values?.(b.name, length) ?? normals(length, b.name);
  });
  const started = (executor: Executor): Executor => {
    for (const [id, values] of start.entries()) executor.write(id, values);
    return executor;
  };
  const oracle = started(createInterpreter(plan, data, stepsMax));
  const outputs = oracle.run(program, batch);
  for (const [name, create] of Object.entries(compiledBackends)) {
    const compiled = started(create(plan, data, stepsMax, at.crew));
    expectSameBits(compiled.run(program, batch), outputs, `${name}: step outputs`);
    for (const b of plan.buffers) {
      expectSameBits(compiled.read(b.id), oracle.read(b.id), `${name}: ${b.name}`);
    }
    compiled.dispose();
  }
  return oracle;
}

/** One step over the first rows of the data. */
export const oneStep = (rows: number, inputs: readonly number[] = []): StepBatch => ({
  indices: Int32Array.from({ length: rows }, (_, i) => i),
  rows: Int32Array.of(rows),
  inputs: Float32Array.from(inputs),
});

/** x ← factor · x over two rows of five. */
export const planOfFactor = (factor: number, label = 'map'): Plan =>
  planOf({
    batchSize: 2,
    kernels: (buffers) => {
      const x = buffers.matrix(`x of ${label}`, 'batch', 5);
      return [
        {
          kind: 'map',
          label,
          rows: 'batch',
          columns: 5,
          bindings: [{ name: 'x', source: { from: 'buffer', buffer: x, extent: 'full' } }],
          stores: [{ expr: mul(input('x'), factor), target: { to: 'buffer', buffer: x } }],
        },
      ];
    },
  });
