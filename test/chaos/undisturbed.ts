// What each run comes to when nobody disturbs it: trained once, by the service itself, before the experiments.
import type { Client } from './client.ts';
import type { Query } from './database.ts';
import { type Seed, type Shape, seeds, shapeNames } from './shapes.ts';
import { until } from './until.ts';

export interface Reference {
  readonly weightsSha256: string;
  /** Of the weights after each epoch. */
  readonly epochs: readonly string[];
}

export type Undisturbed = (shape: Shape, seed: Seed) => Reference;

const limitMs = 180_000;

/** The runs are deleted afterwards. */
export async function trainUndisturbed(client: Client, query: Query): Promise<Undisturbed> {
  const found = new Map<string, Reference>();
  await Promise.all(
    shapeNames.flatMap((shape) =>
      seeds.map(async (seed) => {
        const id = await client.submit(shape, seed);
        const weights = await until(
          () => weightsOf(query, id),
          `the undisturbed ${shape} run ${seed}`,
          limitMs,
        );
        const epochs = await query<{ hash: string }>(
          'SELECT "weightsSha256" AS hash FROM "Epoch" WHERE "runId" = $1 ORDER BY epoch',
          [id],
        );
        found.set(`${shape} ${seed}`, { weightsSha256: weights, epochs: epochs.map(({ hash }) => hash) });
      }),
    ),
  );
  await query('DELETE FROM "Run"');
  await query('DELETE FROM "IdempotencyKey"');
  return (shape, seed) => {
    const reference = found.get(`${shape} ${seed}`);
    if (reference === undefined) throw new Error(`there is no undisturbed ${shape} run of seed ${seed}`);
    return reference;
  };
}

async function weightsOf(query: Query, id: string): Promise<string | null> {
  const [run] = await query<{ status: string; weights: string | null }>(
    'SELECT status, "weightsSha256" AS weights FROM "Run" WHERE id = $1',
    [id],
  );
  if (run?.status === 'failed') throw new Error(`the undisturbed run ${id} failed`);
  return run?.status === 'succeeded' ? run.weights : null;
}
