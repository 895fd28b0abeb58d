/** Runs a program over rows, step after step, in calls short enough that a stop is noticed at once. */
import type { Executor, Plan, ProgramName } from './kernels.ts';

/** True: drop everything that is left. Asked between calls into the executor. */
export type ShouldStop = () => boolean;

export interface StepProgram {
  readonly executor: Executor;
  readonly plan: Plan;
  readonly program: ProgramName;
  /** Leave out a last step that is not full. */
  readonly dropLast: boolean;
  /** Writes the values of the program's inputs, from `at` on, for step number `step`, which has `rows` rows. */
  writeInputs(out: Float32Array, at: number, step: number, rows: number): void;
}

export interface StepRun {
  /** Row numbers in the order they are visited. */
  readonly order: Int32Array;
  /** The number of its first step. */
  readonly step: number;
  readonly shouldStop: ShouldStop;
  readonly onSteps?: (steps: number) => void;
  /** Where an earlier call was stopped; what the program keeps is as it was then. */
  readonly from?: StepsDone | null;
}

/** How far a run of steps came. */
export interface StepsDone {
  readonly steps: number;
  /** f64 sums of each program output, in step order: however the steps were cut into calls, the same. */
  readonly sums: Float64Array;
}

export interface StepsRun extends StepsDone {
  /** False if it was stopped before the last step. */
  readonly finished: boolean;
  /** Rows of all its steps. */
  readonly rows: number;
}

/** Steps of one program, as often as wanted: the tables of its calls are made once. */
export function createStepRunner({ executor, plan, program, dropLast, writeInputs }: StepProgram) {
  const { batchSize } = plan;
  const { inputs, outputs } = plan.programs[program];
  const perCall = stepsPerCall(plan, program, executor.backend);
  const tablesOf = createTables(inputs.length);

  return ({ order, step, shouldStop, onSteps, from }: StepRun): StepsRun => {
    const steps = stepCount(order.length, batchSize, dropLast);
    const sums = from?.sums.slice() ?? new Float64Array(outputs.length);
    const total = Math.min(order.length, steps * batchSize);
    for (let first = from?.steps ?? 0; first < steps; first += perCall) {
      if (shouldStop()) return { finished: false, steps: first, sums, rows: total };
      const count = Math.min(perCall, steps - first);
      const start = first * batchSize;
      const end = Math.min(start + count * batchSize, total);
      const { rows, values } = tablesOf(count);
      rows.fill(batchSize);
      rows[count - 1] = end - start - (count - 1) * batchSize;
      for (let i = 0; i < count; i++) {
        writeInputs(values, i * inputs.length, step + first + i, rows[i] ?? 0);
      }
      addUp(sums, executor.run(program, { indices: order.subarray(start, end), rows, inputs: values }));
      onSteps?.(count);
    }
    return { finished: true, steps, sums, rows: total };
  };
}

interface Tables {
  readonly rows: Int32Array;
  /** Of the program's inputs, step by step. */
  readonly values: Float32Array;
}

/** Those of a call of so many steps. There are few numbers of steps: the usual one and those of the last calls. */
function createTables(width: number): (steps: number) => Tables {
  const known = new Map<number, Tables>();
  return (steps) => {
    const found = known.get(steps);
    if (found !== undefined) return found;
    const tables = { rows: new Int32Array(steps), values: new Float32Array(steps * width) };
    known.set(steps, tables);
    return tables;
  };
}

/** Adds each step's outputs to their sums. */
function addUp(sums: Float64Array, results: Float32Array): void {
  for (let slot = 0; slot < sums.length; slot++) {
    let sum = sums[slot] ?? 0;
    for (let i = slot; i < results.length; i += sums.length) sum += results[i] ?? 0;
    sums[slot] = sum;
  }
}

export const stepCount = (rows: number, batchSize: number, dropLast: boolean): number =>
  dropLast ? Math.floor(rows / batchSize) : Math.ceil(rows / batchSize);

// Rough, and harmless if wrong: how steps are grouped into calls never changes a result.
// In floating-point operations of matrix products, of which WebAssembly makes some 40 a nanosecond.
const WORK_PER_CALL: Readonly<Record<string, number>> = { interpreter: 1e6, wasm: 4e8 };
const WORK_PER_CALL_MOST = 1e9;
const WORK_PER_PARAMETER = 16;
const WORK_PER_ELEMENT = 64;
const WORK_PER_KERNEL = 2000;
const INDICES_PER_CALL_MAX = 2 ** 20;
const STEPS_PER_CALL_MAX = 16_384;

/** Steps that take about 5–20 ms together. */
export function stepsPerCall(plan: Plan, program: ProgramName, backend: string): number {
  const elements = plan.batchSize * (plan.featureCount + plan.outputCount);
  const { flops, kernels } = plan.programs[program];
  const work =
    flops +
    plan.parameterCount * WORK_PER_PARAMETER +
    elements * WORK_PER_ELEMENT +
    kernels.length * WORK_PER_KERNEL;
  const steps = Math.floor((WORK_PER_CALL[backend] ?? WORK_PER_CALL_MOST) / work);
  const indicesLimit = Math.floor(INDICES_PER_CALL_MAX / plan.batchSize);
  return Math.max(1, Math.min(steps, indicesLimit, STEPS_PER_CALL_MAX));
}

/** The most steps that any call of any program holds, over tables of so many rows. */
export const stepsMaxOf = (plan: Plan, rows: number): number => {
  const inAll = Math.max(1, Math.ceil(rows / plan.batchSize));
  return Math.min(inAll, Math.max(...PROGRAMS.map((program) => stepsPerCall(plan, program, 'any'))));
};

const PROGRAMS: readonly ProgramName[] = ['train', 'evaluate', 'predict'];
