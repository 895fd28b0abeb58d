// What a run can be held to: its manifest.
import type { FastifyInstance } from 'fastify';
import type { FastifyZodOpenApiTypeProvider } from 'fastify-zod-openapi';
import type { Database } from '../db/client.ts';
import { principalOf } from '../http/auth.ts';
import { idParameters } from '../http/parameters.ts';
import { problemResponses } from '../http/problems.ts';
import { jsonResponse } from '../http/responses.ts';
import { manifestSchema } from './manifest-schema.ts';
import { getManifest } from './manifest-store.ts';

const chainDescription = `The run's receipt: what it was made of, who trained it, and the hashes of all that it made.

Anyone can compute the chain again. The chain of epoch n is the SHA-256, in lower-case hexadecimal, of the text
\`<chain of n-1> <n> <weightsSha256 of n>\`, single blanks between. The chain of 0 is \`recipeSha256\`: the SHA-256 of
\`spec\` with \`data.dataset\` replaced by \`dataset.contentSha256\`, as JSON without blanks, the keys of every object in
ascending order, in UTF-8. \`chainSha256\` is that of the last epoch: one hash for the whole training, equal for equal
trainings wherever they ran and wherever the data was uploaded. \`weightsSha256\` of an epoch is that of its parameters
as little-endian 32-bit floats, in the order of the model file.`;

export function receiptRoutes(app: FastifyInstance, { db }: { readonly db: Database }): void {
  const routes = app.withTypeProvider<FastifyZodOpenApiTypeProvider>();

  routes.get(
    '/v1/runs/:id/manifest',
    {
      schema: {
        operationId: 'getRunManifest',
        tags: ['runs'],
        summary: 'Get the receipt of a run',
        description: chainDescription,
        params: idParameters,
        response: { 200: jsonResponse('The manifest', manifestSchema), ...problemResponses(401, 404, 429) },
      },
    },
    (request) => getManifest(db, principalOf(request).projectId, request.params.id),
  );
}
