// What the verification routes take and give.
import { z } from 'zod';

export const verificationRequest = z
  .strictObject({
    fromEpoch: z.int().min(1).optional().meta({ description: 'The first epoch to compare; 1 unless told' }),
    toEpoch: z.int().min(1).optional().meta({
      description: 'The last one; the last stored epoch unless told, and then the model is compared',
    }),
  })
  .meta({ id: 'VerificationRequest', description: 'Which epochs to train again' });

export type VerificationRequest = z.output<typeof verificationRequest>;

export const verificationSchema = z
  .strictObject({
    id: z.uuid(),
    runId: z.uuid(),
    fromEpoch: z.int(),
    toEpoch: z.int(),
    status: z.enum(['queued', 'running', 'done', 'failed']).meta({
      id: 'VerificationStatus',
      description: 'done: there is a verdict; failed: there is none, and `detail` says why',
    }),
    verdict: z.enum(['equal', 'differs']).nullable().meta({ id: 'VerificationVerdict' }),
    firstDifferentEpoch: z
      .int()
      .nullable()
      .meta({ description: 'Where the first difference was found; 0: in the recipe itself' }),
    detail: z.string().nullable().meta({ description: 'What was found, in words' }),
    replayedFrom: z.int().nullable().meta({
      description:
        'The epoch of the checkpoint that the replay started from; 0: from scratch; null: nothing was replayed',
    }),
    attempts: z.int().meta({ description: 'How often a worker took it up' }),
    createdAt: z.iso.datetime(),
    startedAt: z.iso.datetime().nullable(),
    finishedAt: z.iso.datetime().nullable(),
  })
  .meta({ id: 'Verification', description: 'A run held to its receipt' });

export type Verification = z.output<typeof verificationSchema>;

export const verificationParameters = z.strictObject({
  id: z.uuid().meta({ description: 'The id as it was given out' }),
  verificationId: z.uuid().meta({ description: 'The id as it was given out' }),
});
