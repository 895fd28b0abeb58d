// A run's receipt as it is given out.
import { z } from 'zod';
import { engineSpec } from '../engine/spec.ts';
import { runStatus } from './schema.ts';

const sha256 = z.string().meta({ description: 'SHA-256, 64 hexadecimal digits' });

const attempt = z
  .strictObject({
    fence: z.int().meta({ description: 'Counts the attempts' }),
    workerId: z.string(),
    backend: z.enum(['native', 'wasm', 'interpreter']).meta({ id: 'EngineBackend' }),
    isa: z.string().nullable().meta({ description: 'Of native machine code: avx2 or avx512' }),
    engineVersion: z.string().meta({ description: 'Equal versions give equal bits for equal recipes' }),
    fromEpoch: z.int().meta({ description: 'The last epoch that was stored when it began' }),
    startedAt: z.iso.datetime(),
  })
  .meta({ id: 'RunAttempt', description: 'A worker that took up the run, and what it trained on' });

export const manifestSchema = z
  .strictObject({
    runId: z.uuid(),
    status: runStatus,
    recipeSha256: sha256.meta({ description: 'Where the chain begins' }),
    spec: engineSpec,
    dataset: z
      .strictObject({ id: z.uuid(), contentSha256: sha256, byteLength: z.int(), rowCount: z.int() })
      .meta({ id: 'ManifestDataset' }),
    seed: z.int(),
    attempts: z.array(attempt),
    chainSha256: sha256.meta({ description: 'Of the last stored epoch; equal for equal trainings' }),
    weightsSha256: sha256
      .nullable()
      .meta({ description: 'Of the parameters of the model; null before the end' }),
    modelSha256: sha256.nullable().meta({ description: 'Of the model file; null where there is none' }),
    epochs: z
      .strictObject({
        epochs: z.array(z.int()),
        weightsSha256: z.array(sha256),
        chainSha256: z.array(sha256),
      })
      .meta({ id: 'ManifestEpochs', description: 'A value for each stored epoch, in columns' }),
  })
  .meta({ id: 'RunManifest', description: 'What a run was made of, and the hashes of all that it made' });

export type RunManifest = z.output<typeof manifestSchema>;
