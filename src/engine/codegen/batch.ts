/** What every back end checks before it runs a batch of steps; kernels themselves check nothing. */
import { codedLength } from '../coded-table.ts';
import type { Plan, ProgramName, ResidentData, StepBatch } from '../kernels.ts';

/** Throws RangeError on a table of the wrong size. */
export function checkData(plan: Plan, data: ResidentData): void {
  const coded = data.features instanceof Uint8Array;
  const length = coded ? codedLength(data.rows, plan.featureCount) : data.rows * plan.featureCount;
  if (coded !== plan.coded || data.features.length !== length)
    throw new RangeError('features do not fit the plan');
  if (data.targets.length !== data.rows * plan.targetCount)
    throw new RangeError('targets do not fit the plan');
}

/** Throws RangeError on too many steps or rows, tables that are too short, or an index outside the data. */
export function checkBatch(
  plan: Plan,
  program: ProgramName,
  batch: StepBatch,
  limits: { readonly rows: number; readonly stepsMax: number },
): void {
  const steps = batch.rows.length;
  if (steps > limits.stepsMax) throw new RangeError(`${steps} steps in one call, at most ${limits.stepsMax}`);
  let total = 0;
  for (const rows of batch.rows) {
    if (rows < 0 || rows > plan.batchSize)
      throw new RangeError(`a step of ${rows} rows, at most ${plan.batchSize}`);
    total += rows;
  }
  if (batch.indices.length !== total)
    throw new RangeError(`${batch.indices.length} indices for ${total} rows`);
  const width = plan.programs[program].inputs.length;
  if (batch.inputs.length !== steps * width)
    throw new RangeError(`each step of ${program} reads ${width} scalars`);
  // By number: an iterator costs more per row than a small network's kernels do.
  for (let i = 0; i < total; i++) {
    const index = batch.indices[i] ?? -1;
    if (index < 0 || index >= limits.rows) throw new RangeError(`row ${index} of a table of ${limits.rows}`);
  }
}
