/**
 * Random networks give the same bits on every back end: scores of every step, parameters, optimiser slots and
 * predictions, after full and partial batches. FUZZ_PLANS sets how many, FUZZ_FROM the first: 5,000 take some minutes.
 * The project unit-slow goes on where these end.
 */
import { describe, expect, it } from 'vitest';
import { createInterpreter } from '../../../src/engine/codegen/interpreter.ts';
import { createPlan } from '../../../src/engine/plan.ts';
import { compiledBackends } from './codegen/candidates.ts';
import { expectSameBits } from './codegen/compare.ts';
import { outcomesOf, startOf } from './outcomes.ts';
import { randomNetwork } from './random-network.ts';

const COUNT = Number(process.env.FUZZ_PLANS ?? 20);
const FROM = Number(process.env.FUZZ_FROM ?? 0);
const GROUP = 10;

describe('random networks', () => {
  const groups = Array.from({ length: Math.ceil(COUNT / GROUP) }, (_, i) => FROM + i * GROUP);
  it.each(groups)('give the same bits on every back end, from number %i', (first) => {
    for (let number = first; number < Math.min(first + GROUP, FROM + COUNT); number++) {
      const network = randomNetwork(number);
      const plan = createPlan(network.spec, network.shape, { panel: network.panel });
      const start = startOf(plan, network, number);
      const expected = outcomesOf(createInterpreter, start);
      for (const [backend, create] of Object.entries(compiledBackends)) {
        const actual = outcomesOf(create, start);
        expect(actual.map((o) => o.name)).toEqual(expected.map((o) => o.name));
        for (const [i, { name, values }] of expected.entries()) {
          const what = `network ${number} on ${backend}, ${name}; ${JSON.stringify(network.spec.model)}`;
          expectSameBits(actual[i]?.values ?? new Float32Array(), values, what);
        }
      }
    }
  });
});
