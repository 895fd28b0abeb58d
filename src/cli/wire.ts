// What the command reads of the service's answers. Loose on purpose: fields that a newer service
// adds are no concern of an older command.
import { z } from 'zod';
import { CliFailure } from './failure.ts';

/** Parses an answer, or says that this command does not understand it. */
export function readAnswer<Shape extends z.ZodType>(shape: Shape, answer: unknown): z.output<Shape> {
  const parsed = shape.safeParse(answer);
  if (parsed.success) return parsed.data;
  const where = parsed.error.issues[0]?.path.join('.') || 'the whole';
  throw new CliFailure(`The service answered in a way this version does not understand (${where}).`);
}

const metrics = z.record(z.string(), z.number().nullable());

export const confusionSchema = z.object({
  part: z.string(),
  labels: z.array(z.string()),
  counts: z.array(z.array(z.number())),
});

/** `loss`, `validationLoss`, `testAccuracy` … and `confusionMatrix`; what else comes is passed over. */
const results = z.looseObject({ confusionMatrix: confusionSchema.optional() });

export const runSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  tags: z.array(z.string()),
  metadata: z.record(z.string(), z.string()),
  status: z.string(),
  stopReason: z.string().nullable(),
  failure: z.looseObject({ detail: z.string() }).nullable(),
  epoch: z.number(),
  epochs: z.number(),
  bestEpoch: z.number().nullable(),
  results: results.nullable(),
  weightsSha256: z.string().nullable(),
  spec: z
    .looseObject({
      data: z.looseObject({
        dataset: z.string(),
        target: z.string(),
        features: z.array(z.string()).optional(),
      }),
      training: z
        .looseObject({
          budget: z.looseObject({ seconds: z.number().optional(), epochs: z.number().optional() }).optional(),
        })
        .optional(),
    })
    .optional(),
  createdAt: z.string(),
  startedAt: z.string().nullable(),
  finishedAt: z.string().nullable(),
});
export type WireRun = z.infer<typeof runSchema>;

export const verificationSchema = z.looseObject({
  id: z.string(),
  status: z.string(),
  verdict: z.string().nullable(),
  firstDifferentEpoch: z.number().nullable(),
  detail: z.string().nullable(),
});
export type WireVerification = z.infer<typeof verificationSchema>;

export const datasetSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  rowCount: z.number(),
  columns: z.array(z.object({ name: z.string(), type: z.enum(['numeric', 'categorical']) })),
});
export type WireDataset = z.infer<typeof datasetSchema>;

export function pageOf<Row extends z.ZodType>(row: Row) {
  return z.object({ data: z.array(row), hasMore: z.boolean(), nextCursor: z.string().nullable() });
}

export const eventSchema = z.object({ sequence: z.number(), type: z.string(), data: z.unknown() });
export type WireEvent = z.infer<typeof eventSchema>;

export const statusEventSchema = z.object({ status: z.string(), stopReason: z.string().nullish() });

export const epochEventSchema = z.object({
  epoch: z.number(),
  epochs: z.number(),
  metrics,
  etaSeconds: z.number().nullish(),
});
export type EpochEvent = z.infer<typeof epochEventSchema>;

export const predictionsSchema = z.object({
  predictions: z.array(
    z.object({
      value: z.union([z.string(), z.number()]),
      probabilities: z.record(z.string(), z.number()).optional(),
    }),
  ),
});
export type WirePrediction = z.infer<typeof predictionsSchema>['predictions'][number];
