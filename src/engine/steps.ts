/** Runs a program over rows, step after step, in calls short enough that a stop is noticed at once. */
import type { Executor, Plan, ProgramName } from './kernels.ts';

/** True: drop everything that is left. Asked between calls into the executor. */
export type ShouldStop = () => boolean;

export interface StepRun {
  readonly executor: Executor;
  readonly plan: Plan;
  readonly program: ProgramName;
  /** Row numbers in the order they are visited. */
  readonly order: Int32Array;
  /** Leave out a last step that is not full. */
  readonly dropLast: boolean;
  /** Values of the program's inputs for the i-th step of this run, which has `rows` rows. */
  inputs(step: number, rows: number): readonly number[];
  readonly shouldStop: ShouldStop;
  readonly onSteps?: (steps: number) => void;
}

/** f64 sums of each program output over the steps, in step order, or null if stopped. */
export function runSteps(run: StepRun): { sums: Float64Array; rows: number } | null {
  const { executor, plan, program, order, dropLast } = run;
  const { batchSize } = plan;
  const steps = stepCount(order.length, batchSize, dropLast);
  const perCall = stepsPerCall(plan, program, executor.backend);
  const { inputs, outputs } = plan.programs[program];
  const sums = new Float64Array(outputs.length);
  const total = Math.min(order.length, steps * batchSize);
  for (let first = 0; first < steps; first += perCall) {
    if (run.shouldStop()) return null;
    const count = Math.min(perCall, steps - first);
    const start = first * batchSize;
    const end = Math.min(start + count * batchSize, total);
    const rows = Int32Array.from({ length: count }, (_, i) =>
      Math.min(batchSize, end - start - i * batchSize),
    );
    const scalars = new Float32Array(count * inputs.length);
    for (const [i, n] of rows.entries()) scalars.set(run.inputs(first + i, n), i * inputs.length);
    const results = executor.run(program, { indices: order.subarray(start, end), rows, inputs: scalars });
    for (const [i, value] of results.entries()) {
      const slot = i % outputs.length;
      sums[slot] = (sums[slot] ?? 0) + value;
    }
    run.onSteps?.(count);
  }
  return { sums, rows: total };
}

export const stepCount = (rows: number, batchSize: number, dropLast: boolean): number =>
  dropLast ? Math.floor(rows / batchSize) : Math.ceil(rows / batchSize);

// Rough, and harmless if wrong: how steps are grouped into calls never changes a result.
const WORK_PER_CALL: Readonly<Record<string, number>> = { interpreter: 1e6 };
const WORK_PER_CALL_COMPILED = 5e7;
const WORK_PER_PARAMETER = 16;
const WORK_PER_ELEMENT = 64;
const INDICES_PER_CALL_MAX = 2 ** 20;
const STEPS_PER_CALL_MAX = 1024;

/** Steps that take about 5–20 ms together. */
export function stepsPerCall(plan: Plan, program: ProgramName, backend: string): number {
  const elements = plan.batchSize * (plan.featureCount + plan.outputCount);
  const work =
    plan.programs[program].flops + plan.parameterCount * WORK_PER_PARAMETER + elements * WORK_PER_ELEMENT;
  const steps = Math.floor((WORK_PER_CALL[backend] ?? WORK_PER_CALL_COMPILED) / work);
  const indicesLimit = Math.floor(INDICES_PER_CALL_MAX / plan.batchSize);
  return Math.max(1, Math.min(steps, indicesLimit, STEPS_PER_CALL_MAX));
}

/** The most steps that any call of any program holds. */
export const stepsMaxOf = (plan: Plan): number =>
  Math.max(...PROGRAMS.map((program) => stepsPerCall(plan, program, 'compiled')));

const PROGRAMS: readonly ProgramName[] = ['train', 'evaluate', 'predict'];
