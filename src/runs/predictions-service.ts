// Predictions on raw rows with the run's own preprocessing. Models stay loaded for the next request; large
// requests let others in between.
import { setImmediate as otherWork } from 'node:timers/promises';
import type { z } from 'zod';
import type { Database } from '../db/client.ts';
import type { SpecIssue } from '../engine/issues.ts';
import type { CreateExecutor } from '../engine/kernels.ts';
import { createPredictor } from '../engine/predict.ts';
import { problem } from '../errors.ts';
import type { predictionRequest, predictionsSchema } from './schema.ts';
import { readCheckpoint } from './store.ts';
import { findWeights } from './weights-service.ts';

type Predictor = ReturnType<typeof createPredictor>;
type Rows = z.output<typeof predictionRequest>['rows'];
type Answer = z.output<typeof predictionsSchema>;

export interface PredictionService {
  /** Throws 404, 409 and 422. */
  predict(projectId: string, runId: string, rows: Rows): Promise<Answer>;
}

const chunkRows = 256;
const modelsMax = 8;
const modelBytesMax = 256 * 1024 * 1024;
const issuesMax = 50;

export function createPredictionService(db: Database, backend: CreateExecutor): PredictionService {
  const loaded = createModelCache();
  return {
    async predict(projectId, runId, rows) {
      const file = await findWeights(db, projectId, runId, 'best');
      const predictor = await loaded.get(file.etag, file.byteLength, async () => {
        const bytes = await readCheckpoint(db, file, 0, file.byteLength);
        if (bytes === null)
          throw problem('no-model-yet', 'The run’s model has just been replaced; try again.');
        return createPredictor(bytes, backend);
      });
      return predictInChunks(predictor, rows);
    },
  };
}

async function predictInChunks(predictor: Predictor, rows: Rows): Promise<Answer> {
  const predictions: Answer['predictions'] = [];
  const issues: SpecIssue[] = [];
  for (let start = 0; start < rows.length && issues.length < issuesMax; start += chunkRows) {
    if (start > 0) await otherWork();
    const answer = predictor.predict(rows.slice(start, start + chunkRows));
    if ('issues' in answer) issues.push(...answer.issues.map((issue) => shiftRow(issue, start)));
    else predictions.push(...answer.predictions);
  }
  if (issues.length > 0) {
    const errors = issues.slice(0, issuesMax);
    throw problem('invalid-request', 'Some rows cannot be predicted from.', { errors });
  }
  return { predictions };
}

/** The predictor counts rows from the start of the chunk it was given. */
function shiftRow({ pointer, detail }: SpecIssue, start: number): SpecIssue {
  return { pointer: pointer.replace(/^#\/rows\/(\d+)/, (_, row) => `#/rows/${Number(row) + start}`), detail };
}

interface Loaded {
  readonly byteLength: number;
  readonly predictor: Promise<Predictor>;
}

/** By content hash; the one that was not used for longest goes first. */
function createModelCache() {
  const models = new Map<string, Loaded>();
  const bytes = () => [...models.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  return {
    async get(sha256: string, byteLength: number, load: () => Promise<Predictor>): Promise<Predictor> {
      const model = models.get(sha256) ?? { byteLength, predictor: load() };
      models.delete(sha256);
      models.set(sha256, model);
      while (models.size > 1 && (models.size > modelsMax || bytes() > modelBytesMax)) {
        const [oldest] = models.keys();
        if (oldest !== undefined) models.delete(oldest);
      }
      try {
        return await model.predictor;
      } catch (error) {
        models.delete(sha256);
        throw error;
      }
    },
  };
}
