/** Whether machine code means on this processor what it should: its bits are compared with the interpreter's. */
import { createInterpreter } from '../engine/codegen/interpreter.ts';
import type { CreateExecutor, Executor, Plan, ResidentData, StepBatch } from '../engine/kernels.ts';
import type { Random } from '../engine/random.ts';
import { stream } from '../engine/random.ts';
import { selfTestPlan } from './self-test-plan.ts';

const SEED = 1;
const ROWS = 9;
/** Besides numbers from −3 to 3. */
const SPECIAL = [0, -0, 1, -1, 0.5, 2.5, 1e-40, 3e38, Number.POSITIVE_INFINITY, Number.NaN];
const CANONICAL_NAN = 0x7fc00000;

/** Throws an Error of one line that names the first difference. */
export function selfTest(create: CreateExecutor): void {
  const random = stream(SEED, 'self-test');
  const plan = selfTestPlan(random);
  const data: ResidentData = {
    rows: ROWS,
    features: numbers(random, ROWS * plan.featureCount),
    targets: numbers(random, ROWS * plan.targetCount),
  };
  // A whole batch, a part of one, and a single row.
  const rows = Int32Array.of(plan.batchSize, 3, 1);
  const batch: StepBatch = {
    rows,
    indices: Int32Array.from({ length: plan.batchSize + 4 }, (_, i) => (i * 2) % ROWS),
    inputs: Float32Array.of(0.37, -1.5, 0.01),
  };
  const oracle = createInterpreter(plan, data, rows.length);
  const tested = create(plan, data, rows.length);
  try {
    for (const { id } of plan.buffers) {
      const values = numbers(random, oracle.read(id).length);
      oracle.write(id, values);
      tested.write(id, values);
    }
    const expected = oracle.run('train', batch);
    if (!same(tested.run('train', batch), expected)) throw new Error(describe('the step outputs'));
    compareBuffers(plan, tested, oracle);
  } finally {
    tested.dispose();
    oracle.dispose();
  }
}

const describe = (what: string): string => `the self-test fails: ${what} differ from the interpreter's`;

function compareBuffers(plan: Plan, tested: Executor, oracle: Executor): void {
  for (const { id, name } of plan.buffers) {
    if (!same(tested.read(id), oracle.read(id))) throw new Error(describe(`the values of "${name}"`));
  }
}

function numbers(random: Random, length: number): Float32Array {
  return Float32Array.from({ length }, (_, i) =>
    i % 8 === 7 ? (SPECIAL[(i >> 3) % SPECIAL.length] ?? 0) : random.uniform() * 6 - 3,
  );
}

/** To the bit; every NaN counts as the same. */
function same(a: Float32Array, b: Float32Array): boolean {
  const [x, y] = [bitsOf(a), bitsOf(b)];
  return x.length === y.length && x.every((bits, i) => bits === y[i]);
}

function bitsOf(values: Float32Array): Int32Array {
  const bits = new Int32Array(values.slice().buffer);
  for (const [i, v] of values.entries()) if (Number.isNaN(v)) bits[i] = CANONICAL_NAN;
  return bits;
}
