// Runs over HTTP: submit, list, look at, delete. Cancel, pause and resume are in control-routes.ts; what a run gives
// (metrics, events, weights, predictions) is in outputs-routes.ts.
import type { FastifyInstance } from 'fastify';
import type { FastifyZodOpenApiTypeProvider } from 'fastify-zod-openapi';
import { principalOf } from '../http/auth.ts';
import { encodeCursor, toPage } from '../http/cursor.ts';
import { idParameters } from '../http/parameters.ts';
import { problemResponses } from '../http/problems.ts';
import { jsonResponse, locationHeader } from '../http/responses.ts';
import { parseIdempotencyKey } from '../idempotency/key.ts';
import {
  createHeaders,
  createQuery,
  listQuery,
  type Run,
  runPageSchema,
  runRequest,
  runSchema,
  validatedRunSchema,
} from './schema.ts';
import { createRun, type RunDeps, validateRun } from './service.ts';
import { deleteRun, getRun, listRuns, toListItem } from './store.ts';

export function runRoutes(app: FastifyInstance, deps: RunDeps): void {
  const routes = app.withTypeProvider<FastifyZodOpenApiTypeProvider>();
  const { db } = deps;

  routes.post(
    '/v1/runs',
    {
      schema: {
        operationId: 'createRun',
        tags: ['runs'],
        summary: 'Submit a run',
        description: 'Checked at once, queued, trained when a worker is free.',
        querystring: createQuery,
        headers: createHeaders,
        body: runRequest,
        response: {
          200: jsonResponse('With ?validateOnly=true: the request is valid', validatedRunSchema),
          201: { ...jsonResponse('The run is queued', runSchema), headers: locationHeader },
          ...problemResponses(400, 401, 403, 408, 409, 413, 415, 422, 429),
        },
      },
    },
    async (request, reply) => {
      const { projectId } = principalOf(request);
      const key = parseIdempotencyKey(request.headers['idempotency-key']);
      if (request.query.validateOnly === true) {
        return reply.code(200).send(await validateRun(db, projectId, request.body));
      }
      const answer = await createRun(deps, projectId, request.body, key);
      if (answer.replayed) reply.header('idempotency-replayed', 'true');
      reply.header('location', answer.location);
      return reply.code(201).send(answer.response as Run);
    },
  );

  routes.get(
    '/v1/runs',
    {
      schema: {
        operationId: 'listRuns',
        tags: ['runs'],
        summary: 'List runs',
        querystring: listQuery,
        response: { 200: jsonResponse('A page of runs', runPageSchema), ...problemResponses(401, 422, 429) },
      },
    },
    async (request) => {
      const rows = await listRuns(db, principalOf(request).projectId, request.query);
      return toPage(rows, request.query.limit, toListItem, encodeCursor);
    },
  );

  routes.get(
    '/v1/runs/:id',
    {
      schema: {
        operationId: 'getRun',
        tags: ['runs'],
        summary: 'Get a run with its spec',
        params: idParameters,
        response: { 200: jsonResponse('The run', runSchema), ...problemResponses(401, 404, 429) },
      },
    },
    (request) => getRun(db, principalOf(request).projectId, request.params.id),
  );

  routes.delete(
    '/v1/runs/:id',
    {
      schema: {
        operationId: 'deleteRun',
        tags: ['runs'],
        summary: 'Delete an ended run with everything it gave',
        description: 'Repeated within a day it is answered the same.',
        params: idParameters,
        response: { 204: { description: 'It is gone' }, ...problemResponses(401, 403, 404, 409, 429) },
      },
    },
    async (request, reply) => {
      await deleteRun(db, principalOf(request).projectId, request.params.id);
      return reply.code(204).send();
    },
  );
}
