/** A model file made ready to answer for raw rows, with its own preprocessing. */
import { answerOf, type Prediction } from './answers.ts';
import { predictRows } from './evaluate.ts';
import { pointerTo, type SpecIssue } from './issues.ts';
import type { CreateExecutor, Plan } from './kernels.ts';
import { losses } from './kinds/losses/registry.ts';
import { decodeModel } from './model-file.ts';
import { writeValues } from './parameters.ts';
import { createPlan } from './plan.ts';
import type { PlanShape } from './plan-spec.ts';
import { encodeRows, type Preprocessing } from './preprocessing.ts';
import type { ResolvedSpec } from './resolve.ts';
import { stepsMaxOf } from './steps.ts';

export type { Prediction } from './answers.ts';

export interface Predictor {
  readonly preprocessing: Preprocessing;
  /** One prediction per row, in order; or what is wrong with the rows. A row's answer never depends on the others. */
  predict(
    rows: readonly Readonly<Record<string, unknown>>[],
  ): { readonly predictions: readonly Prediction[] } | { readonly issues: readonly SpecIssue[] };
}

const beyondReach = (row: number): SpecIssue => ({
  pointer: pointerTo(['rows', row]),
  detail: 'its numbers are so far from the training data that the model’s answer is not a finite number',
});

const BATCH_ROWS = 64;
const ARENA_BYTES_MAX = 256 * 1024 ** 2;

/** The largest batch whose plan is not too large: how rows are grouped changes no answer. */
function planFor(spec: ResolvedSpec, shape: PlanShape): Plan {
  for (let batchSize = BATCH_ROWS; ; batchSize = Math.ceil(batchSize / 4)) {
    const plan = createPlan({ ...spec, training: { ...spec.training, batchSize } }, shape);
    if (plan.arenaBytes <= ARENA_BYTES_MAX || batchSize === 1) return plan;
  }
}

/** Throws where the bytes are no model file. */
export function createPredictor(model: Uint8Array, backend: CreateExecutor): Predictor {
  const { spec, preprocessing, parameters } = decodeModel(model);
  const { featureCount, targetCount, target } = preprocessing;
  const plan = planFor(spec, { features: featureCount, targets: targetCount });
  const values = plan.parameters.map(({ name }) => {
    const found = parameters.get(name);
    if (found === undefined) throw new Error(`the model file has no ${name}`);
    return found;
  });
  const probable = losses.get(spec.loss.kind).link !== null;
  return {
    preprocessing,
    predict(rows) {
      const encoded = encodeRows(preprocessing, rows);
      if ('issues' in encoded) return encoded;
      const targets = new Float32Array(rows.length * targetCount);
      const executor = backend(
        plan,
        { rows: rows.length, features: encoded.features, targets },
        stepsMaxOf(plan, rows.length),
      );
      try {
        writeValues(executor, plan, values);
        const order = Int32Array.from({ length: rows.length }, (_, i) => i);
        const outputs = predictRows(executor, plan, order);
        const width = plan.outputCount;
        const lost = outputs.findIndex((value) => !Number.isFinite(value));
        if (lost >= 0) return { issues: [beyondReach(Math.floor(lost / width))] };
        const answer = (i: number): Prediction =>
          answerOf(outputs.subarray(i * width, (i + 1) * width), target, probable);
        return { predictions: Array.from(order, answer) };
      } finally {
        executor.dispose();
      }
    },
  };
}
