/**
 * Random networks give the same bits on every back end: scores of every step, parameters, optimiser slots and
 * predictions, after full and partial batches. FUZZ_PLANS sets how many, FUZZ_FROM the first: 5,000 take some minutes.
 */
import { describe, expect, it } from 'vitest';
import { createInterpreter } from '../../../src/engine/codegen/interpreter.ts';
import type { CreateExecutor, Executor, Plan, StepBatch } from '../../../src/engine/kernels.ts';
import { optimizers } from '../../../src/engine/kinds/optimizers/registry.ts';
import { keyScalars } from '../../../src/engine/lane-random.ts';
import { initialState, readState, writeState } from '../../../src/engine/parameters.ts';
import { createPlan } from '../../../src/engine/plan.ts';
import { below, stream } from '../../../src/engine/random.ts';
import { compiledBackends } from './codegen/candidates.ts';
import { expectSameBits } from './codegen/compare.ts';
import type { RandomNetwork } from './random-network.ts';
import { randomNetwork } from './random-network.ts';

const COUNT = Number(process.env.FUZZ_PLANS ?? 60);
const FROM = Number(process.env.FUZZ_FROM ?? 0);
const GROUP = 20;

interface Outcome {
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

function outcomesOf(create: CreateExecutor, plan: Plan, network: RandomNetwork, number: number): Outcome[] {
  const { rows, shape, steps } = network;
  const random = stream(number, 'data');
  const features = Float32Array.from({ length: rows * shape.features }, () => random.normal());
  const targets = new Float32Array(rows * shape.targets);
  for (let r = 0; r < rows; r++) targets[r * shape.targets + below(random, shape.targets)] = 1;
  const executor: Executor = create(plan, { rows, features, targets }, steps.length);
  writeState(executor, plan, initialState(plan, number));
  const batch = batchOf(plan, network, number);
  const scores = executor.run('train', batch);
  const state = readState(executor, plan);
  const evaluated = executor.run('evaluate', { ...batch, inputs: new Float32Array() });
  const [first = 1] = steps;
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

describe('random networks', () => {
  const groups = Array.from({ length: Math.ceil(COUNT / GROUP) }, (_, i) => FROM + i * GROUP);
  it.each(groups)('give the same bits on every back end, from number %i', (first) => {
    for (let number = first; number < Math.min(first + GROUP, FROM + COUNT); number++) {
      const network = randomNetwork(number);
      const plan = createPlan(network.spec, network.shape, { panel: network.panel });
      const expected = outcomesOf(createInterpreter, plan, network, number);
      for (const [backend, create] of Object.entries(compiledBackends)) {
        const actual = outcomesOf(create, plan, network, number);
        expect(actual.map((o) => o.name)).toEqual(expected.map((o) => o.name));
        for (const [i, { name, values }] of expected.entries()) {
          const what = `network ${number} on ${backend}, ${name}; ${JSON.stringify(network.spec.model)}`;
          expectSameBits(actual[i]?.values ?? new Float32Array(), values, what);
        }
      }
    }
  });
});
