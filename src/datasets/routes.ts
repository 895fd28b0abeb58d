// Datasets over HTTP: upload, list, look at, delete.
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { type FastifyZodOpenApiTypeProvider, validatorCompiler } from 'fastify-zod-openapi';
import type { ZodType } from 'zod';
import { principalOf } from '../http/auth.ts';
import { encodeCursor, toPage } from '../http/cursor.ts';
import { idParameters } from '../http/parameters.ts';
import { problemResponses } from '../http/problems.ts';
import { bytesResponse, jsonResponse, locationHeader } from '../http/responses.ts';
import { refuse } from '../http/server-options.ts';
import { parseIdempotencyKey } from '../idempotency/key.ts';
import {
  type Dataset,
  datasetPageSchema,
  datasetSchema,
  listQuery,
  previewQuery,
  previewSchema,
  uploadHeaders,
  uploadQuery,
} from './schema.ts';
import { createDataset, type DatasetDeps, previewDataset } from './service.ts';
import { deleteDataset, getDataset, listDatasets, toListItem } from './store.ts';
import { tooLarge } from './upload.ts';

export function datasetRoutes(app: FastifyInstance, deps: DatasetDeps): void {
  const { db } = deps;
  void app.register(async (scope) => uploadRoute(scope, deps));
  const routes = app.withTypeProvider<FastifyZodOpenApiTypeProvider>();

  routes.get(
    '/v1/datasets',
    {
      schema: {
        operationId: 'listDatasets',
        tags: ['datasets'],
        summary: 'List datasets, newest first',
        querystring: listQuery,
        response: {
          200: jsonResponse('A page of datasets', datasetPageSchema),
          ...problemResponses(401, 422, 429),
        },
      },
    },
    async (request) => {
      const rows = await listDatasets(db, principalOf(request).projectId, request.query);
      return toPage(rows, request.query.limit, toListItem, encodeCursor);
    },
  );

  routes.get(
    '/v1/datasets/:id',
    {
      schema: {
        operationId: 'getDataset',
        tags: ['datasets'],
        summary: 'Get a dataset with its columns',
        params: idParameters,
        response: { 200: jsonResponse('The dataset', datasetSchema), ...problemResponses(401, 404, 429) },
      },
    },
    (request) => getDataset(db, principalOf(request).projectId, request.params.id),
  );

  routes.get(
    '/v1/datasets/:id/preview',
    {
      schema: {
        operationId: 'previewDataset',
        tags: ['datasets'],
        summary: 'Get the first rows of a dataset',
        params: idParameters,
        querystring: previewQuery,
        response: { 200: jsonResponse('The rows', previewSchema), ...problemResponses(401, 404, 422, 429) },
      },
    },
    (request) => previewDataset(db, principalOf(request).projectId, request.params.id, request.query.limit),
  );

  routes.delete(
    '/v1/datasets/:id',
    {
      schema: {
        operationId: 'deleteDataset',
        tags: ['datasets'],
        summary: 'Delete a dataset that no run uses',
        description: 'Repeated within a day it is answered the same.',
        params: idParameters,
        response: { 204: { description: 'It is gone' }, ...problemResponses(401, 403, 404, 409, 429) },
      },
    },
    async (request, reply) => {
      await deleteDataset(db, principalOf(request).projectId, request.params.id);
      return reply.code(204).send();
    },
  );
}

/** In a scope of its own, where CSV is the only content type. */
function uploadRoute(scope: FastifyInstance, deps: DatasetDeps): void {
  scope.removeAllContentTypeParsers();
  // The body is a stream here: nothing that a schema could check.
  scope.setValidatorCompiler<ZodType>((route) =>
    route.httpPart === 'body' ? (value: unknown) => ({ value }) : validatorCompiler(route),
  );
  scope.addContentTypeParser('text/csv', (_request: unknown, payload: IncomingMessage, done) =>
    done(null, payload),
  );
  const routes = scope.withTypeProvider<FastifyZodOpenApiTypeProvider>();

  routes.post(
    '/v1/datasets',
    {
      config: { streamsBody: true },
      schema: {
        operationId: 'createDataset',
        tags: ['datasets'],
        summary: 'Upload a CSV',
        description:
          'The body is the file: UTF-8, commas, a header. A column is numeric when every cell is a number; a column that is almost numeric is refused, since that is mostly a mistake. Empty cells are refused. Lines in messages are counted from 1 and include the header.',
        querystring: uploadQuery,
        headers: uploadHeaders,
        body: bytesResponse('The CSV', 'text/csv'),
        response: {
          201: { ...jsonResponse('The dataset is stored', datasetSchema), headers: locationHeader },
          ...problemResponses(400, 401, 403, 408, 409, 413, 415, 422, 429),
        },
      },
    },
    async (request, reply) => {
      const { bytesMax } = deps.limits;
      const idempotencyKey = parseIdempotencyKey(request.headers['idempotency-key']);
      const body = request.body as unknown as Readable;
      try {
        if (Number(request.headers['content-length']) > bytesMax) throw tooLarge(bytesMax);
        const { projectId } = principalOf(request);
        const onStall = () => refuse(request.raw.socket, 'request-timeout', 'The upload stalled.');
        const upload = { ...request.query, projectId, idempotencyKey, body, onStall };
        const answer = await createDataset(deps, upload);
        if (answer.replayed) reply.header('idempotency-replayed', 'true');
        reply.header('location', answer.location);
        return reply.code(201).send(answer.response as Dataset);
      } catch (error) {
        discard(body);
        throw error;
      }
    },
  );
}

const discardMsMax = 8_000;

/** A client that is still sending would not read the answer if the connection closed on it. */
function discard(body: Readable): void {
  body.resume();
  const clock = setTimeout(() => body.destroy(), discardMsMax);
  clock.unref();
  body.once('close', () => clearTimeout(clock));
}
