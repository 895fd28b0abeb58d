/** The account of a finished training: every part's loss and metrics, and the confusion matrix on unseen rows. */
import { codeOf } from './answers.ts';
import { createEvaluation, predictRows } from './evaluate.ts';
import type { Executor, Plan } from './kernels.ts';
import type { Part } from './kinds/kind.ts';
import { partMetric } from './monitor.ts';
import type { PreparedData } from './prepare.ts';

export interface ConfusionMatrix {
  readonly part: Part;
  readonly labels: readonly string[];
  /** counts[truth][prediction] */
  readonly counts: readonly (readonly number[])[];
}

export interface RunResults {
  /** `loss`, `accuracy`, `validationLoss`, `testAccuracy` …; null where a value is not finite. */
  readonly metrics: Readonly<Record<string, number | null>>;
  readonly rows: Readonly<Record<Part, number>>;
  /** Null for a numeric target, and for more classes than anyone reads. */
  readonly confusion: ConfusionMatrix | null;
}

/** The matrix grows with the square of the classes, and is stored with the run. */
const CONFUSION_CLASSES_MAX = 100;

const PARTS: readonly Part[] = ['training', 'validation', 'test'];

/** Evaluates the parameters that the executor holds. */
export function computeResults(executor: Executor, plan: Plan, data: PreparedData): RunResults {
  const scores: Record<string, number> = {};
  for (const part of PARTS) {
    const evaluate = createEvaluation(executor, plan, data.parts[part], (name) => partMetric(part, name));
    evaluate(scores, () => false);
  }
  const metrics: Record<string, number | null> = {};
  for (const [name, value] of Object.entries(scores)) metrics[name] = Number.isFinite(value) ? value : null;
  const { training, validation, test } = data.parts;
  return {
    metrics,
    rows: { training: training.length, validation: validation.length, test: test.length },
    confusion: confusionMatrix(executor, plan, data),
  };
}

function confusionMatrix(executor: Executor, plan: Plan, data: PreparedData): ConfusionMatrix | null {
  const { type, classes } = data.preprocessing.target;
  if (type !== 'categorical' || classes.length > CONFUSION_CLASSES_MAX) return null;
  const part = (['test', 'validation', 'training'] as const).find((name) => data.parts[name].length > 0);
  if (part === undefined) return null;
  const rows = data.parts[part];
  const counts = classes.map(() => classes.map(() => 0));
  const width = plan.outputCount;
  const predictions = predictRows(executor, plan, rows);
  for (const [i, row] of rows.entries()) {
    const truth = counts[codeOf(data.targets.subarray(row * width, (row + 1) * width))];
    const predicted = codeOf(predictions.subarray(i * width, (i + 1) * width));
    if (truth !== undefined) truth[predicted] = (truth[predicted] ?? 0) + 1;
  }
  return { part, labels: classes, counts };
}
