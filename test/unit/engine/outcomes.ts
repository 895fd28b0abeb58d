/** What a random network leaves behind on a back end: scores, state and predictions, after full and partial batches. */
import { codedLength, codedTable } from '../../../src/engine/coded-table.ts';
import type { CreateExecutor, Executor, Plan, ResidentData, StepBatch } from '../../../src/engine/kernels.ts';
import { optimizers } from '../../../src/engine/kinds/optimizers/registry.ts';
import { keyScalars } from '../../../src/engine/lane-random.ts';
import { initialState, readState, writeState } from '../../../src/engine/parameters.ts';
import { below, type Random, stream } from '../../../src/engine/random.ts';
import type { RandomNetwork } from './random-network.ts';

export interface Outcome {
  readonly name: string;
  readonly values: Float32Array;
}

function batchOf(plan: Plan, network: RandomNetwork, number: number): StepBatch {
  const random = stream(number, 'batch');
  const { steps, rows, spec, learningRate } = network;
  const optimizer = optimizers.get(spec.optimizer.kind);
  const keys = plan.streams.map((name) => keyScalars(number, name));
  const counted = plan.programs.train.inputs.includes('rows');
  const inputs = steps.flatMap((n, i) => [
    1 / n,
    ...optimizer.scalars(spec.optimizer, i + 1, learningRate),
    ...(counted ? [n] : []),
    ...keys.flatMap((key) => key(i)),
  ]);
  const total = steps.reduce((sum, n) => sum + n, 0);
  return {
    indices: Int32Array.from({ length: total }, () => below(random, rows)),
    rows: Int32Array.from(steps),
    inputs: Float32Array.from(inputs),
  };
}

/** Bytes at random on lines at random. */
export function randomCoded(rows: number, columns: number, random: Random): Uint8Array {
  const table = new Uint8Array(codedLength(rows, columns));
  const { codes, offsets, factors } = codedTable(table, columns);
  for (let c = 0; c < columns; c++) [offsets[c], factors[c]] = [256 * random.uniform(), random.normal() / 64];
  for (let i = 0; i < codes.length; i++) codes[i] = below(random, 256);
  return table;
}

/** What every back end is given alike. */
export interface Start {
  readonly plan: Plan;
  readonly data: ResidentData;
  readonly state: ReturnType<typeof initialState>;
  readonly batch: StepBatch;
}

export function startOf(plan: Plan, network: RandomNetwork, number: number): Start {
  const { rows, shape } = network;
  const random = stream(number, 'data');
  const features = shape.coded
    ? randomCoded(rows, shape.features, random)
    : Float32Array.from({ length: rows * shape.features }, () => random.normal());
  const targets = new Float32Array(rows * shape.targets);
  for (let r = 0; r < rows; r++) targets[r * shape.targets + below(random, shape.targets)] = 1;
  return {
    plan,
    data: { rows, features, targets },
    state: initialState(plan, number),
    batch: batchOf(plan, network, number),
  };
}

function begin(create: CreateExecutor, { plan, data, state, batch }: Start): Executor {
  const executor = create(plan, data, batch.rows.length);
  writeState(executor, plan, state);
  return executor;
}

export function outcomesOf(create: CreateExecutor, start: Start): Outcome[] {
  const { plan, batch } = start;
  const executor = begin(create, start);
  const scores = executor.run('train', batch);
  const state = readState(executor, plan);
  const evaluated = executor.run('evaluate', { ...batch, inputs: new Float32Array() });
  const [first = 1] = batch.rows;
  const one = {
    indices: batch.indices.subarray(0, first),
    rows: Int32Array.of(first),
    inputs: new Float32Array(),
  };
  executor.run('predict', one);
  const prediction = executor.read(plan.prediction).subarray(0, first * plan.outputCount);
  const outcomes = [
    { name: 'scores', values: scores },
    ...plan.parameters.flatMap((p, i): Outcome[] => [
      { name: p.name, values: state.values[i] ?? new Float32Array() },
      ...Object.entries(state.slots[i] ?? {}).map(([slot, values]) => ({
        name: `${p.name}.${slot}`,
        values,
      })),
    ]),
    { name: 'evaluation', values: evaluated },
    { name: 'prediction', values: prediction.slice() },
  ];
  executor.dispose();
  return outcomes;
}

/** The parameters alone, after the same training. */
export function trainedParameters(create: CreateExecutor, start: Start): Outcome[] {
  const executor = begin(create, start);
  executor.run('train', start.batch);
  const { values } = readState(executor, start.plan);
  executor.dispose();
  return start.plan.parameters.map(({ name }, i) => ({ name, values: values[i] ?? new Float32Array() }));
}
