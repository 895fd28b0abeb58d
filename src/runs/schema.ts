// What the run routes take and give. What a run is trained from (`engineSpec`) is the engine's.
import { z } from 'zod';
import { engineSpec } from '../engine/spec.ts';
import {
  cursorParameter,
  limitParameter,
  pageSchema,
  queryBoolean,
  queryInteger,
  text,
} from '../http/parameters.ts';
import { restartsMax, runStatuses } from './status.ts';

export const runStatus = z
  .enum(runStatuses)
  .meta({ id: 'RunStatus', description: 'Terminal: succeeded, failed, cancelled' });

const tag = text(64);
const metadata = z
  .record(text(64), text(500, 0))
  .refine((pairs) => Object.keys(pairs).length <= 16, 'may have 16 pairs at most')
  .meta({ id: 'RunMetadata', description: 'Up to 16 pairs of texts of your own' });

const runLevel = {
  name: text(200).default('untitled').meta({ description: 'What to call the run; need not be unique' }),
  tags: z
    .array(tag)
    .max(32)
    .refine((tags) => new Set(tags).size === tags.length, 'names a tag twice')
    .default([]),
  metadata: metadata.default({}),
};

export const runRequest = z
  .strictObject({ ...runLevel, ...engineSpec.shape })
  .meta({ id: 'RunRequest', description: 'What to train, on what, and how' });

export type RunRequest = z.output<typeof runRequest>;

const retries =
  'diverged, invalidData, outOfMemory and internalError would come again, and are not tried again. ' +
  'A run whose worker or training thread died, or whose lease ran out, is: it goes on from its last stored state, ' +
  `and fails with crashLoop when that was in vain ${restartsMax} times in a row, without a new epoch or state.`;

const failure = z
  .strictObject({
    code: z.string().meta({ description: 'The stopReason' }),
    detail: z.string().meta({ description: 'What went wrong, and where it is known what would be right' }),
  })
  .meta({ id: 'RunFailure', description: `Why a failed run failed. ${retries}` });

const confusionMatrix = z
  .strictObject({
    part: z.enum(['training', 'validation', 'test']),
    labels: z.array(z.string()),
    counts: z
      .array(z.array(z.int()))
      .meta({ description: 'A row per true class, a column per predicted one' }),
  })
  .meta({ id: 'ConfusionMatrix' });

const results = z.record(z.string(), z.union([z.number(), z.null(), confusionMatrix])).meta({
  id: 'RunResults',
  description: 'Final numbers of the model, by metric and part: loss, validationLoss, testAccuracy …',
});

const runListItem = z
  .strictObject({
    id: z.uuid(),
    name: z.string(),
    tags: z.array(z.string()),
    metadata,
    status: runStatus,
    stopReason: z
      .string()
      .nullable()
      .meta({
        description: `Why it ended; null while it has not. succeeded: completed, earlyStopped or budget; cancelled: user; failed: diverged, invalidData, outOfMemory, internalError or crashLoop. ${retries}`,
      }),
    failure: failure.nullable(),
    restarts: z.int().meta({
      description: `How often in a row it was taken up without a new epoch or state since, the present time among them; ${restartsMax} in vain end it`,
    }),
    epoch: z.int().meta({ description: 'The last stored epoch' }),
    epochs: z.int().meta({ description: 'How many are planned' }),
    bestEpoch: z.int().nullable(),
    results: results.nullable(),
    weightsSha256: z
      .string()
      .nullable()
      .meta({ description: 'Of the parameters alone; equal for equal trainings' }),
    createdAt: z.iso.datetime(),
    startedAt: z.iso.datetime().nullable(),
    finishedAt: z.iso.datetime().nullable(),
  })
  .meta({ id: 'RunListItem', description: 'A run without its spec' });

export const runSchema = runListItem
  .extend({ spec: engineSpec })
  .meta({ id: 'Run', description: 'A run with its spec, every default filled in' });

export const runPageSchema = pageSchema('RunPage', runListItem);

export const validatedRunSchema = z
  .strictObject({ ...runLevel, ...engineSpec.shape })
  .meta({ id: 'ValidatedRun', description: 'The request as it would be run, every default filled in' });

export type Run = z.output<typeof runSchema>;
export type RunListItem = z.output<typeof runListItem>;
export type RunPage = z.output<typeof runPageSchema>;

export const createQuery = z.strictObject({
  validateOnly: queryBoolean('Only check: nothing is written, the resolved request comes back').optional(),
});

export const createHeaders = z.object({
  'idempotency-key': z.string().optional().meta({
    description: 'Up to 200 printable characters; the same key and request get the first answer again',
  }),
});

export const listQuery = z.strictObject({
  limit: limitParameter,
  cursor: cursorParameter,
  status: runStatus.optional(),
  name: text(200).optional().meta({ description: 'Only runs of exactly this name' }),
  tag: tag.optional().meta({ description: 'Only runs with this tag' }),
  metadata: text(600)
    .regex(/^[^:]+:/, 'has to look like key:value')
    .optional()
    .meta({ description: 'Only runs with this pair, as key:value' }),
  sort: z
    .enum(['-created', 'created'])
    .default('-created')
    .meta({ id: 'RunOrder', description: 'Newest first, or oldest first' }),
});

export type ListQuery = z.output<typeof listQuery>;

export const metricsQuery = z.strictObject({
  fromEpoch: queryInteger(0, 2_147_483_647, 0, 'Only this epoch and later ones'),
  maxPoints: queryInteger(2, 10_000, 1_000, 'How many epochs at most; highs and lows are kept'),
});

export const metricsSchema = z
  .strictObject({
    epochs: z.array(z.int()),
    series: z.record(z.string(), z.array(z.number().nullable())).meta({
      description: 'A value for each of `epochs`; null where it was not finite or not measured',
    }),
    diverged: z.boolean().meta({ description: 'Some number of the run was not finite' }),
  })
  .meta({ id: 'RunMetrics' });

export type RunMetrics = z.output<typeof metricsSchema>;

const numbers = z.record(z.string(), z.number().nullable());
const eventBase = { sequence: z.int(), createdAt: z.iso.datetime() };

const statusEvent = z
  .strictObject({
    ...eventBase,
    type: z.literal('status'),
    data: z
      .strictObject({ status: runStatus, stopReason: z.string().nullish() })
      .meta({ id: 'StatusEventData' }),
  })
  .meta({ id: 'StatusEvent' });

const epochEvent = z
  .strictObject({
    ...eventBase,
    type: z.literal('epoch'),
    data: z
      .strictObject({
        epoch: z.int(),
        epochs: z.int(),
        metrics: numbers,
        diverged: z.boolean().optional(),
        etaSeconds: z.number().nullish(),
      })
      .meta({ id: 'EpochEventData' }),
  })
  .meta({ id: 'EpochEvent' });

const textData = z.strictObject({ message: z.string() }).meta({ id: 'MessageEventData' });
const logEvent = z
  .strictObject({ ...eventBase, type: z.literal('log'), data: textData })
  .meta({ id: 'LogEvent' });
const diagnosisEvent = z
  .strictObject({ ...eventBase, type: z.literal('diagnosis'), data: textData })
  .meta({ id: 'DiagnosisEvent' });

const doneEvent = z
  .strictObject({
    ...eventBase,
    type: z.literal('done'),
    data: z
      .strictObject({
        status: runStatus,
        stopReason: z.string().nullable(),
        results: results.nullable(),
        weightsSha256: z.string().nullable(),
        failure: failure.optional(),
      })
      .meta({ id: 'DoneEventData' }),
  })
  .meta({ id: 'DoneEvent', description: 'The last event of a run' });

export const eventSchema = z
  .discriminatedUnion('type', [statusEvent, epochEvent, logEvent, diagnosisEvent, doneEvent])
  .meta({ id: 'RunEvent' });

export type RunEvent = z.output<typeof eventSchema>;

export const eventPageSchema = pageSchema('RunEventPage', eventSchema);
export const eventsQuery = z.strictObject({ limit: limitParameter, cursor: cursorParameter });
export const eventsHeaders = z.object({
  'last-event-id': z
    .string()
    .optional()
    .meta({ description: 'For streams: the id of the last event seen; what came after it is sent first' }),
});

export const weightsQuery = z.strictObject({
  format: z.enum(['safetensors']).default('safetensors').meta({ id: 'WeightsFormat' }),
  checkpoint: z
    .string()
    .regex(/^(best|latest|[1-9]\d{0,8})$/, 'has to be best, latest, or the number of an epoch')
    .transform((choice) => (choice === 'best' || choice === 'latest' ? choice : Number(choice)))
    .default('best')
    .meta({
      description:
        'best: the model file of an ended run, parameters only. latest: the newest stored training state, with the optimizer’s slots. A number: the training state after that epoch, where it was kept (training.checkpoints.keepEvery)',
      override: { type: 'string', pattern: '^(best|latest|[1-9]\\d{0,8})$', default: 'best' },
    }),
});

export const weightsHeaders = z.object({
  range: z.string().optional().meta({ description: 'One range of bytes' }),
  'if-range': z.string().optional().meta({ description: 'The ETag that Range is meant for' }),
  'if-none-match': z
    .string()
    .optional()
    .meta({ description: 'Answered with 304 where the ETag still is this one' }),
});

export const rowsMax = 10_000;

export const predictionRequest = z
  .strictObject({
    rows: z
      .array(
        z
          .record(z.string(), z.union([z.number(), z.string()]))
          .meta({ id: 'Row', description: 'A value per feature column' }),
      )
      .min(1)
      .max(rowsMax),
  })
  .meta({ id: 'PredictionRequest' });

export const predictionsSchema = z
  .strictObject({
    predictions: z.array(
      z
        .strictObject({
          value: z
            .union([z.string(), z.number()])
            .meta({ description: 'A class, or a number for a regression' }),
          probabilities: z.record(z.string(), z.number()).optional(),
        })
        .meta({ id: 'Prediction' }),
    ),
  })
  .meta({ id: 'PredictionResponse' });
