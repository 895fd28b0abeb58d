/**
 * Several threads on one executor give the interpreter's bits on random networks. FUZZ_PLANS and FUZZ_FROM say which,
 * as in fuzz.test.ts.
 */
import { afterAll, beforeAll, it } from 'vitest';
import { createInterpreter } from '../../../src/engine/codegen/interpreter.ts';
import type { CreateExecutor } from '../../../src/engine/kernels.ts';
import { createPlan } from '../../../src/engine/plan.ts';
import { createCrew, type OwnedCrew } from '../../../workers/crew.ts';
import { type CompiledEntry, compileEntry } from '../../support/compile-entry.ts';
import { compiledBackends } from '../engine/codegen/candidates.ts';
import { expectSameBits } from '../engine/codegen/compare.ts';
import { outcomesOf, startOf } from '../engine/outcomes.ts';
import { randomNetwork } from '../engine/random-network.ts';

const COUNT = Number(process.env.FUZZ_PLANS ?? 10);
const FROM = Number(process.env.FUZZ_FROM ?? 0);

let crews: readonly OwnedCrew[] = [];
let entry: CompiledEntry;
beforeAll(() => {
  entry = compileEntry('workers/crew-thread.ts');
  crews = [createCrew(2, { entry: entry.url }), createCrew(3, { entry: entry.url })];
}, 60_000);
afterAll(async () => {
  await Promise.all(crews.map((crew) => crew.close()));
  entry.remove();
});

const withCrew =
  (create: CreateExecutor, threads: number): CreateExecutor =>
  (plan, data, stepsMax) =>
    create(
      plan,
      data,
      stepsMax,
      crews.find((c) => c.threads === threads),
    );

it.each([2, 3])(
  '%i threads give the bits of the interpreter on networks at random',
  (threads) => {
    for (let number = FROM; number < FROM + COUNT; number++) {
      const network = randomNetwork(number * 5 + threads);
      const plan = createPlan(network.spec, network.shape, { panel: network.panel });
      const start = startOf(plan, network, number);
      const expected = outcomesOf(createInterpreter, start);
      for (const [backend, create] of Object.entries(compiledBackends)) {
        const actual = outcomesOf(withCrew(create, threads), start);
        for (const [i, { name, values }] of expected.entries()) {
          const what = `network ${number * 5 + threads} on ${backend}, ${name}`;
          expectSameBits(actual[i]?.values ?? new Float32Array(), values, what);
        }
      }
    }
  },
  60_000 + COUNT * 2_000,
);
