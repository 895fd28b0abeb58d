// The HTTP mapper: everything thrown below a route, and everything Fastify refuses by itself, leaves as one
// shape of problem+json (RFC 9457). What went wrong inside is logged under the request's id and never sent.
import { STATUS_CODES } from 'node:http';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { RequestValidationError } from 'fastify-zod-openapi';
import { z } from 'zod';
import { isOutage } from '../db/outage.ts';
import { catalogue, type ProblemCode, ProblemError, problem } from '../errors.ts';
import { describeIssues, type Place } from './zod-issues.ts';

export const problemMediaType = 'application/problem+json';

const codes = Object.keys(catalogue) as [ProblemCode, ...ProblemCode[]];

export const problemSchema = z
  .strictObject({
    type: z
      .string()
      .meta({ description: 'Names the sort of problem', example: 'urn:trainyard:problem:not-found' }),
    title: z.string(),
    status: z.int().min(400).max(599),
    detail: z.string().meta({ description: 'What is wrong with this very request' }),
    instance: z.string().meta({ description: 'The path that was asked for' }),
    code: z.enum(codes).meta({ id: 'ProblemCode', description: 'Stable: made for programs' }),
    requestId: z.string().meta({ description: 'Also in the X-Request-Id header and in the service’s log' }),
    errors: z
      .array(
        z
          .strictObject({
            pointer: z.string().meta({
              description:
                'A JSON pointer into the body (#/model/layers/0/units), ?name for a query parameter, or row and column of a CSV (#/rows/12/age)',
            }),
            detail: z.string(),
          })
          .meta({ id: 'ProblemIssue' }),
      )
      .meta({ description: 'Each mistake with its place; empty where there is none to point at' }),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details' });

export type Problem = z.output<typeof problemSchema>;

/**
 * Response entries for a route's schema, with the 503 that any of them may come to. A fresh object each: a shared one
 * turns into an empty schema.
 */
export function problemResponses<const Status extends number>(...statuses: Status[]) {
  const entries = [...new Set([...statuses, 503])].map((status) => [
    status,
    {
      description: STATUS_CODES[status] ?? 'Problem',
      content: { [problemMediaType]: { schema: problemSchema } },
    },
  ]);
  return Object.fromEntries(entries) as Record<
    Status | 503,
    { description: string; content: { 'application/problem+json': { schema: typeof problemSchema } } }
  >;
}

export function mapProblems(app: FastifyInstance): void {
  app.setErrorHandler((error: FastifyError | ProblemError, request, reply) => {
    const known = toProblem(error, request);
    if (known.code === 'internal' || known.code === 'unavailable') {
      request.log.error({ err: error }, 'the request failed inside');
    }
    return sendProblem(request, reply, known);
  });
  app.setNotFoundHandler((request, reply) =>
    sendProblem(request, reply, problem('not-found', 'There is nothing at this address.')),
  );
}

export function sendProblem(request: FastifyRequest, reply: FastifyReply, error: ProblemError): FastifyReply {
  const body = problemBody(error, pathOf(request.url), request.id);
  return reply.code(body.status).headers(error.headers).type(problemMediaType).send(JSON.stringify(body));
}

export function problemBody(error: ProblemError, instance: string, requestId: string): Problem {
  const { status, title } = catalogue[error.code];
  const type = `urn:trainyard:problem:${error.code}`;
  const inside = error.code === 'internal';
  return {
    type,
    title,
    status,
    detail: inside ? 'The cause is in the service’s log, under the request id.' : error.message,
    instance,
    code: error.code,
    requestId,
    errors: inside ? [] : error.errors.map(({ pointer, detail }) => ({ pointer, detail })),
  };
}

/** Without the query, which may hold what was not meant to be repeated; a key pasted into the path is cut. */
export function pathOf(url: string): string {
  const [path = ''] = url.split(/[?#]/, 1);
  return path.replace(/ty_[0-9A-Za-z_]+/g, 'ty_…').slice(0, 500);
}

const fastifyCodes: Readonly<Record<string, [ProblemCode, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['body-too-large', 'The body is larger than this address takes.'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    'unsupported-media-type',
    'See the documentation for the content types of this address.',
  ],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    'malformed-request',
    'The body is not as long as Content-Length says.',
  ],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['malformed-json', 'The body is empty.'],
  FST_ERR_BAD_URL: ['malformed-request', 'The address is not a valid URL.'],
  FST_ERR_MAX_PARAM_LENGTH: ['uri-too-long', 'A part of the path is too long.'],
  FST_ERR_ROUTE_METHOD_NOT_SUPPORTED: ['method-not-allowed', 'The method is not known.'],
};

/** The answer to whatever was thrown. */
export function toProblem(error: FastifyError | ProblemError, request: FastifyRequest): ProblemError {
  if (error instanceof ProblemError) return error;
  if (error.validation) return validationProblem(error, request);
  const mapped = fastifyCodes[error.code];
  if (mapped) return problem(...mapped);
  if (error.statusCode === 400) return problem('malformed-request', 'The request could not be read.');
  if (error.statusCode === 404) return problem('not-found', 'There is nothing at this address.');
  if (isOutage(error)) return databaseAway();
  return problem('internal', 'Internal error.');
}

/** Whatever is wrong with it: the client can only come back. */
export function databaseAway(): ProblemError {
  return problem('unavailable', 'The database cannot be used at the moment; try again in some seconds.', {
    headers: { 'retry-after': '5' },
  });
}

function validationProblem(error: FastifyError, request: FastifyRequest): ProblemError {
  const place = (error.validationContext ?? 'body') as Place;
  // An id that cannot be one is an id that does not exist.
  if (place === 'params') return problem('not-found', 'There is nothing at this address.');
  const failed = (error.validation ?? []).filter((issue) => issue instanceof RequestValidationError);
  const issues = failed.map((failure) => failure.params.issue);
  const inputs: Record<Place, unknown> = {
    body: request.body,
    querystring: request.query,
    headers: request.headers,
    params: request.params,
  };
  const schema = zodOf(request.routeOptions.schema?.[place]);
  const errors = describeIssues(issues, schema, inputs[place], place);
  return problem('invalid-request', summary(errors.length, place), { errors });
}

function summary(count: number, place: Place): string {
  const where = place === 'querystring' ? 'query' : place;
  return count === 1 ? `There is a mistake in the ${where}.` : `There are ${count} mistakes in the ${where}.`;
}

/** A body's schema may stand inside `{content: {"application/json": {schema}}}`. */
function zodOf(schema: unknown): unknown {
  if (schema !== null && typeof schema === 'object' && 'content' in schema) {
    const content = schema.content as Record<string, { schema?: unknown }>;
    return content['application/json']?.schema;
  }
  return schema;
}
