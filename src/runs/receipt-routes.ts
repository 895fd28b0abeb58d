// What a run can be held to: its manifest, and verifications that do.
import type { FastifyInstance } from 'fastify';
import type { FastifyZodOpenApiTypeProvider } from 'fastify-zod-openapi';
import { principalOf } from '../http/auth.ts';
import { idParameters } from '../http/parameters.ts';
import { problemResponses } from '../http/problems.ts';
import { jsonResponse, locationHeader } from '../http/responses.ts';
import { parseIdempotencyKey } from '../idempotency/key.ts';
import { manifestSchema } from './manifest-schema.ts';
import { getManifest } from './manifest-store.ts';
import { createHeaders } from './schema.ts';
import type { RunDeps } from './service.ts';
import {
  type Verification,
  verificationParameters,
  verificationRequest,
  verificationSchema,
} from './verification-schema.ts';
import { requestVerification } from './verification-service.ts';
import { getVerification } from './verification-store.ts';

const chainDescription = `The run's receipt: what it was made of, who trained it, and the hashes of all that it made.

Anyone can compute the chain again. The chain of epoch n is the SHA-256, in lower-case hexadecimal, of the text
\`<chain of n-1> <n> <weightsSha256 of n>\`, single blanks between. The chain of 0 is \`recipeSha256\`: the SHA-256 of
\`spec\` with \`data.dataset\` replaced by \`dataset.contentSha256\`, as JSON without blanks, the keys of every object in
ascending order, in UTF-8. \`chainSha256\` is that of the last epoch: one hash for the whole training, equal for equal
trainings wherever they ran and wherever the data was uploaded. \`weightsSha256\` of an epoch is that of its parameters
as little-endian 32-bit floats, in the order of the model file.`;

const verifyDescription = `A worker compares what is stored with its hashes, trains the epochs again and compares the weights after each.
The first difference is named: in the chain, in a stored state, in the weights of an epoch, in the model file.
Deleting the run removes its verifications.`;

export function receiptRoutes(app: FastifyInstance, deps: RunDeps): void {
  const { db } = deps;
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

  routes.post(
    '/v1/runs/:id/verify',
    {
      schema: {
        operationId: 'verifyRun',
        tags: ['runs'],
        summary: 'Have an ended run trained again and compared',
        description: verifyDescription,
        params: idParameters,
        headers: createHeaders,
        body: verificationRequest,
        response: {
          202: { ...jsonResponse('The verification is queued', verificationSchema), headers: locationHeader },
          ...problemResponses(400, 401, 403, 404, 408, 409, 413, 415, 422, 429),
        },
      },
    },
    async (request, reply) => {
      const { projectId } = principalOf(request);
      const key = parseIdempotencyKey(request.headers['idempotency-key']);
      const answer = await requestVerification(deps, projectId, request.params.id, request.body, key);
      if (answer.replayed) reply.header('idempotency-replayed', 'true');
      reply.header('location', answer.location);
      return reply.code(202).send(answer.response as Verification);
    },
  );

  routes.get(
    '/v1/runs/:id/verifications/:verificationId',
    {
      schema: {
        operationId: 'getVerification',
        tags: ['runs'],
        summary: 'Get a verification with its verdict',
        params: verificationParameters,
        response: {
          200: jsonResponse('The verification', verificationSchema),
          ...problemResponses(401, 404, 429),
        },
      },
    },
    (request) => {
      const { id, verificationId } = request.params;
      return getVerification(db, principalOf(request).projectId, id, verificationId);
    },
  );
}
