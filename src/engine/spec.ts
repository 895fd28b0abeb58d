/**
 * The training spec: what a run's body says about data, model and training, composed from the kinds' own schemas.
 * Bounds and defaults are here; what depends on the dataset or on several fields together is check.ts's, and what
 * is filled in from the dataset (loss, metrics, features) is resolve.ts's.
 */
import { z } from 'zod';
import { categoricalPreprocessors } from './kinds/categorical-preprocessors/registry.ts';
import { gradientClippings } from './kinds/gradient-clippings/registry.ts';
import { layers } from './kinds/layers/registry.ts';
import { losses } from './kinds/losses/registry.ts';
import { metrics } from './kinds/metrics/registry.ts';
import { numericPreprocessors } from './kinds/numeric-preprocessors/registry.ts';
import { optimizers } from './kinds/optimizers/registry.ts';
import { schedules } from './kinds/schedules/registry.ts';
import { splits } from './kinds/splits/registry.ts';
import { defaultLimits } from './limits.ts';
import { regularization } from './regularization.ts';

const FEATURES_MAX = 100_000;
const COLUMN_NAME_MAX = 1000;
const BATCH_SIZE_MAX = 1_000_000;
const THREADS_MAX = 64;
const CHECKPOINT_SECONDS_MIN = 0.5;

const columnName = z.string().min(1).max(COLUMN_NAME_MAX);

const preprocessing = z
  .strictObject({
    numeric: numericPreprocessors.schema.prefault({ kind: 'standardize' }),
    categorical: categoricalPreprocessors.schema.prefault({ kind: 'oneHot' }),
  })
  .meta({
    id: 'PreprocessingSpec',
    description: 'How feature columns of each type become numbers; fitted on the training rows only',
  });

const data = z
  .strictObject({
    dataset: z.string().min(1).max(100).describe('Id of the dataset'),
    target: columnName.describe('Column to predict'),
    features: z
      .array(columnName)
      .min(1)
      .max(FEATURES_MAX)
      .optional()
      .describe('Columns to predict from; without it, every column but the target'),
    preprocessing: preprocessing.prefault({}),
    split: splits.schema.prefault({ kind: 'random' }),
  })
  .meta({ id: 'DataSpec', description: 'Which columns of which dataset, how they are encoded and split' });

const model = z
  .strictObject({
    layers: z
      .array(layers.schema)
      .min(1)
      .max(defaultLimits.layersMax)
      .describe(
        'The network, first layer first: each takes the one before it, or those it names; the last one’s units must fit the loss',
      ),
  })
  .meta({ id: 'ModelSpec', description: 'The network to train' });

const earlyStopping = z
  .strictObject({
    monitor: z.string().min(1).max(100).default('validationLoss').describe('A metric that epochs report'),
    mode: z
      .enum(['min', 'max'])
      .meta({ id: 'MonitorMode', description: 'Whether lower or higher values of a metric are better' })
      .optional()
      .describe('Which way is better; without it, what suits the metric'),
    patience: z
      .int()
      .min(1)
      .max(defaultLimits.epochsMax)
      .default(10)
      .describe('Epochs without improvement after which training stops'),
    minDelta: z.number().nonnegative().default(0).describe('Smaller changes are no improvement'),
    restoreBest: z
      .boolean()
      .default(true)
      .describe('Keep the best epoch’s weights instead of the last one’s'),
  })
  .meta({ id: 'EarlyStoppingSpec', description: 'Stop when a metric no longer improves' });

const budget = z
  .strictObject({
    seconds: z
      .number()
      .positive()
      .optional()
      .describe(
        'Time spent on training, whichever worker spends it; neither waiting, pauses nor what was lost with a worker and trained again counts. An epoch that it cuts short leaves no trace in the model, unless it is the first',
      ),
    epochs: z
      .int()
      .min(1)
      .max(defaultLimits.epochsMax)
      .optional()
      .describe('Ends after so many epochs, while schedules go by training.epochs as ever'),
  })
  .refine(
    ({ seconds, epochs }) => seconds !== undefined || epochs !== undefined,
    'names no limit; give seconds, epochs, or both',
  )
  .meta({
    id: 'BudgetSpec',
    description:
      'How much may be spent. A run that uses it up succeeds with stopReason budget; its epochs are those of the same run without a budget',
    minProperties: 1,
  });

const checkpoints = z
  .strictObject({
    everySeconds: z
      .number()
      .min(CHECKPOINT_SECONDS_MIN)
      .max(86_400)
      .default(10)
      .describe(
        'The state is stored this often: at the nearest end of an epoch, or within an epoch that takes longer; what came after it is trained again when a worker dies. A state that takes long to store is stored less often, for at most half of the time',
      ),
    keepEvery: z
      .int()
      .min(1)
      .max(defaultLimits.epochsMax)
      .optional()
      .describe(
        'The state after every so many epochs is stored, too, and kept, which quick epochs wait for; otherwise only the newest and the one before it are kept. Never changes a result',
      ),
  })
  .meta({ id: 'CheckpointSettings', description: 'When the training state is stored, and which are kept' });

const training = z
  .strictObject({
    epochs: z.int().min(1).max(defaultLimits.epochsMax).describe('Passes over the training rows'),
    batchSize: z.int().min(1).max(BATCH_SIZE_MAX).default(32).describe('Rows per step'),
    shuffle: z.boolean().default(true).describe('Visit the rows in a new order every epoch'),
    lastBatch: z
      .enum(['keep', 'drop'])
      .meta({ id: 'LastBatchRule', description: 'What becomes of a last batch that is not full' })
      .default('keep'),
    gradientClipping: gradientClippings.schema
      .optional()
      .describe('Bounds the gradient before penalties are added and the optimiser takes it'),
    threads: z
      .union([z.literal('auto'), z.int().min(1).max(THREADS_MAX)])
      .default('auto')
      .describe(
        'At most so many threads share a step, as far as the worker has free cores; "auto" goes by the work of a step. Never changes a result',
      ),
    earlyStopping: earlyStopping.optional(),
    budget: budget.optional(),
    checkpoints: checkpoints.prefault({}),
  })
  .meta({ id: 'TrainingSettings', description: 'How long and in what batches to train' });

export const engineSpec = z
  .strictObject({
    seed: z
      .int()
      .min(0)
      .max(Number.MAX_SAFE_INTEGER)
      .default(0)
      .describe('Everything random is a pure function of it: split, initial weights, shuffling'),
    data,
    model,
    loss: losses.schema
      .optional()
      .describe('Without it, cross-entropy for a categorical target and the mean squared error for a number'),
    optimizer: optimizers.schema.prefault({ kind: 'adam' }),
    schedule: schedules.schema.prefault({ kind: 'constant' }),
    regularization: regularization
      .optional()
      .describe('Penalties on weights and biases; the loss that is reported is without them'),
    training,
    metrics: z
      .array(
        z.enum(metrics.names).meta({ id: 'MetricName', description: 'A metric reported besides the loss' }),
      )
      .max(metrics.names.length)
      .optional()
      .describe('Reported for every epoch besides the loss; without it, what suits the target'),
  })
  .meta({ id: 'EngineSpec', description: 'What to train, on what, and how' });

/** More epochs than these are never trained. */
export const epochsMost = ({ training }: Pick<EngineSpec, 'training'>): number =>
  Math.min(training.epochs, training.budget?.epochs ?? training.epochs);

export type EngineSpec = z.output<typeof engineSpec>;
export type EngineSpecInput = z.input<typeof engineSpec>;
