// What a run gives: metrics, events, weights, predictions.
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { FastifyZodOpenApiTypeProvider } from 'fastify-zod-openapi';
import { z } from 'zod';
import type { Database } from '../db/client.ts';
import { problem } from '../errors.ts';
import { negotiate } from '../http/accept.ts';
import { principalOf } from '../http/auth.ts';
import { decodeSequenceCursor, encodeSequenceCursor, toPage } from '../http/cursor.ts';
import { idParameters } from '../http/parameters.ts';
import { problemResponses } from '../http/problems.ts';
import { answerRange } from '../http/ranges.ts';
import { bytesResponse, jsonResponse } from '../http/responses.ts';
import { toColumns, toCsv } from './metrics.ts';
import type { PredictionService } from './predictions-service.ts';
import {
  eventPageSchema,
  eventsHeaders,
  eventsQuery,
  metricsQuery,
  metricsSchema,
  predictionRequest,
  predictionsSchema,
  weightsHeaders,
  weightsQuery,
} from './schema.ts';
import { getRunProgress, listEpochs, listEvents } from './store.ts';
import type { StreamServer } from './stream-server.ts';
import { findWeights, streamWeights } from './weights-service.ts';

export interface OutputDeps {
  readonly db: Database;
  readonly streams: StreamServer;
  readonly predictions: PredictionService;
}

const predictionBodyBytesMax = 16 * 1024 * 1024;

export function outputRoutes(app: FastifyInstance, { db, streams, predictions }: OutputDeps): void {
  const routes = app.withTypeProvider<FastifyZodOpenApiTypeProvider>();

  routes.get(
    '/v1/runs/:id/metrics',
    {
      schema: {
        operationId: 'getRunMetrics',
        tags: ['runs'],
        summary: 'Get the metrics of every epoch, in columns',
        params: idParameters,
        querystring: metricsQuery,
        response: {
          200: {
            description: 'The metrics; CSV with Accept: text/csv',
            content: { 'application/json': { schema: metricsSchema }, 'text/csv': { schema: z.string() } },
          },
          ...problemResponses(401, 404, 406, 422, 429),
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { fromEpoch, maxPoints } = request.query;
      const type = accepted(request.headers.accept, ['application/json', 'text/csv']);
      await getRunProgress(db, principalOf(request).projectId, id);
      const columns = toColumns(await listEpochs(db, id, fromEpoch), maxPoints);
      reply.header('vary', 'accept');
      if (type === 'application/json') return reply.send(columns);
      return sendRaw(reply.type('text/csv; charset=utf-8'), toCsv(columns));
    },
  );

  routes.get(
    '/v1/runs/:id/events',
    {
      schema: {
        operationId: 'getRunEvents',
        tags: ['runs'],
        summary: 'Follow a run live, or list its events',
        description:
          'With Accept: text/event-stream: every event from the first, or after Last-Event-ID, then live until `done`. `id` is the sequence, `event` the type, `data` the data of RunEvent as JSON. Otherwise a page of the same events.',
        params: idParameters,
        querystring: eventsQuery,
        headers: eventsHeaders,
        response: {
          200: {
            description: 'The events',
            content: {
              'application/json': { schema: eventPageSchema },
              'text/event-stream': { schema: z.string() },
            },
          },
          204: { description: 'To a stream: the reader has seen all there will be' },
          ...problemResponses(400, 401, 404, 406, 422, 429),
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const type = accepted(request.headers.accept, ['application/json', 'text/event-stream']);
      if (type === 'text/event-stream') return streams.open(request, reply, id);
      const { limit, cursor } = request.query;
      await getRunProgress(db, principalOf(request).projectId, id);
      const after = cursor === undefined ? 0 : decodeSequenceCursor(cursor);
      const events = await listEvents(db, id, after, limit + 1);
      reply.header('vary', 'accept');
      return reply.send(
        toPage(
          events,
          limit,
          (event) => event,
          ({ sequence }) => encodeSequenceCursor(sequence),
        ),
      );
    },
  );

  routes.get(
    '/v1/runs/:id/weights',
    {
      schema: {
        operationId: 'getRunWeights',
        tags: ['runs'],
        summary: 'Download the weights',
        params: idParameters,
        querystring: weightsQuery,
        headers: weightsHeaders,
        response: {
          200: bytesResponse('The file', 'application/octet-stream'),
          206: bytesResponse('The range asked for', 'application/octet-stream'),
          304: { description: 'The ETag is still the one of If-None-Match' },
          ...problemResponses(401, 404, 409, 416, 422, 429),
        },
      },
    },
    async (request, reply) => {
      const { projectId } = principalOf(request);
      const file = await findWeights(db, projectId, request.params.id, request.query.checkpoint);
      const etag = `"${file.etag}"`;
      const { range, 'if-range': ifRange, 'if-none-match': ifNoneMatch } = request.headers;
      const answer = answerRange({ range, ifRange, ifNoneMatch }, etag, file.byteLength);
      if (answer.kind === 'unsatisfiable') {
        throw problem('range-not-satisfiable', `The file has ${file.byteLength} bytes.`, {
          headers: { 'content-range': `bytes */${file.byteLength}` },
        });
      }
      reply.headers({ etag, 'accept-ranges': 'bytes', 'cache-control': 'private, no-cache' });
      if (answer.kind === 'notModified') return reply.code(304).send();
      const [start, end] = answer.kind === 'partial' ? [answer.start, answer.end] : [0, file.byteLength];
      reply.headers({
        'content-disposition': `attachment; filename="${file.fileName}"`,
        'content-length': end - start,
      });
      if (answer.kind === 'partial') {
        reply.code(206).header('content-range', `bytes ${start}-${end - 1}/${file.byteLength}`);
      }
      reply.type('application/octet-stream');
      // HEAD wants the headers alone; an empty stream leaves the length as it is.
      if (request.method === 'HEAD') return sendRaw(reply, Readable.from([]));
      return sendRaw(reply, streamWeights(db, file, start, end));
    },
  );

  routes.post(
    '/v1/runs/:id/predictions',
    {
      bodyLimit: predictionBodyBytesMax,
      config: { readOnly: true },
      schema: {
        operationId: 'createPredictions',
        tags: ['runs'],
        summary: 'Predict from rows as they are in the dataset',
        description: 'The run’s own preprocessing is applied. Columns other than the features are refused.',
        params: idParameters,
        body: predictionRequest,
        response: {
          200: jsonResponse('A prediction per row', predictionsSchema),
          ...problemResponses(400, 401, 404, 408, 409, 413, 415, 422, 429),
        },
      },
    },
    (request) => predictions.predict(principalOf(request).projectId, request.params.id, request.body.rows),
  );
}

function accepted<Offer extends string>(accept: string | undefined, offers: readonly Offer[]): Offer {
  const type = negotiate(accept, offers);
  if (type === null) throw problem('not-acceptable', `Available here: ${offers.join(', ')}.`);
  return type;
}

/** For bodies that are no JSON: the types of the routes only know the schema's. */
function sendRaw(reply: { send(payload: never): unknown }, payload: unknown): FastifyReply {
  return reply.send(payload as never) as FastifyReply;
}
