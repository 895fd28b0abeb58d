// Networks at random in guarded memory: side, first number, how many, and what is forbidden besides: "nothing", or
// "work", a buffer that only machine code touches. Prints how many gave the interpreter's values.
import { createInterpreter } from '../../../src/engine/codegen/interpreter.ts';
import type { CreateExecutor, Plan } from '../../../src/engine/kernels.ts';
import { createPlan } from '../../../src/engine/plan.ts';
import { detectIsas } from '../../../src/native/cpu.ts';
import { createExecutor } from '../../../src/native/executor.ts';
import { createCodeCache } from '../../../src/native/loaded-code.ts';
import { openMemory } from '../../../src/native/memory.ts';
import { outcomesOf, startOf } from '../engine/outcomes.ts';
import { randomNetwork } from '../engine/random-network.ts';
import { guarded, PAGE_BYTES, type Side, spaced } from './guarded.ts';

const [side, first, count, forbidden] = process.argv.slice(2);
if (side !== 'start' && side !== 'end') throw new Error(`no side ${side}`);

const memory = openMemory();
const parts = detectIsas(memory).map((isa) => ({ memory, codes: createCodeCache(memory, isa, 2 ** 18) }));

/** The first buffer that is neither state nor an outcome: batches are gathered there. */
function pageOfWork(plan: Plan): number {
  const kept = new Set([
    ...plan.parameters.flatMap((p) => [p.buffer, ...Object.values(p.slots)]),
    plan.prediction,
  ]);
  const gather = plan.programs.train.kernels.find((k) => k.kind === 'gather');
  const work = plan.buffers.find((b) => b.id === gather?.out && !kept.has(b.id));
  if (work === undefined) throw new Error('no buffer is gathered into');
  return Math.floor(work.offset / PAGE_BYTES) * PAGE_BYTES;
}

const inGuards =
  (part: (typeof parts)[number], at: Side): CreateExecutor =>
  (given, data, stepsMax) => {
    const { plan, gaps } = spaced(given, at);
    const more = forbidden === 'work' ? [{ from: pageOfWork(plan), bytes: PAGE_BYTES }] : [];
    const arena = { bytes: plan.arenaBytes, gaps: [...gaps, ...more] };
    return createExecutor({ ...part, memory: guarded(memory, at, arena) }, plan, data, stepsMax);
  };

let same = 0;
for (let number = Number(first); number < Number(first) + Number(count); number++) {
  const network = randomNetwork(number);
  const plan = createPlan(network.spec, network.shape, { panel: network.panel });
  const start = startOf(plan, network, number);
  const expected = outcomesOf(createInterpreter, start);
  for (const part of parts) {
    const actual = outcomesOf(inGuards(part, side), start);
    const differs = expected.find(
      ({ values }, i) => !values.every((v, j) => Object.is(v, actual[i]?.values[j])),
    );
    if (differs !== undefined) throw new Error(`network ${number}: ${differs.name}`);
  }
  same++;
}
process.stdout.write(`${same} networks`);
