// The one catalogue of what the service may answer instead of what was asked for: a code is a promise to
// clients, so codes are never renamed. Text about a particular request travels in `detail` and `errors`.
import type { SpecIssue } from './engine/issues.ts';

export const catalogue = {
  'malformed-request': { status: 400, title: 'The request is not well-formed HTTP' },
  'malformed-json': { status: 400, title: 'The body is not well-formed JSON' },
  'forbidden-key': { status: 400, title: 'The body holds a key that is never accepted' },
  'too-deep': { status: 400, title: 'The body is nested too deeply' },
  'malformed-event-id': { status: 400, title: 'The Last-Event-ID is not one of this run' },
  'malformed-idempotency-key': { status: 400, title: 'The Idempotency-Key is not usable' },
  'upload-cut-off': { status: 400, title: 'The upload ended before it was complete' },
  unauthenticated: { status: 401, title: 'A valid API key is required' },
  forbidden: { status: 403, title: 'The key may not do this' },
  'not-found': { status: 404, title: 'Not found' },
  'method-not-allowed': { status: 405, title: 'The method is not allowed here' },
  'not-acceptable': { status: 406, title: 'None of the accepted formats is available' },
  'request-timeout': { status: 408, title: 'The request took too long to arrive' },
  'illegal-transition': { status: 409, title: 'The run cannot do this in its present status' },
  'dataset-in-use': { status: 409, title: 'The dataset is used by a run' },
  'no-model-yet': { status: 409, title: 'The run has no model yet' },
  'idempotency-in-flight': { status: 409, title: 'A request with this Idempotency-Key is being answered' },
  'body-too-large': { status: 413, title: 'The body is too large' },
  'uri-too-long': { status: 414, title: 'The address is too long' },
  'unsupported-media-type': { status: 415, title: 'The content type is not supported here' },
  'unsupported-encoding': { status: 415, title: 'Compressed bodies are not supported' },
  'range-not-satisfiable': { status: 416, title: 'The range lies outside of the content' },
  'invalid-request': { status: 422, title: 'The request is not valid' },
  'invalid-spec': { status: 422, title: 'The run cannot be trained as specified' },
  'invalid-csv': { status: 422, title: 'The CSV cannot be used' },
  'idempotency-mismatch': { status: 422, title: 'The Idempotency-Key was used with another request' },
  'too-many-failed-keys': { status: 429, title: 'Too many requests with invalid keys' },
  'too-many-streams': { status: 429, title: 'Too many open event streams' },
  'header-too-large': { status: 431, title: 'The headers are too large' },
  internal: { status: 500, title: 'Something went wrong inside the service' },
  unavailable: { status: 503, title: 'The service is not able to answer at the moment' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof catalogue;

interface ProblemExtras {
  /** Each problem with its place: `#/…` in the body, `?name` in the query, a header's name otherwise. */
  readonly errors?: readonly SpecIssue[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** Thrown anywhere below a route; the HTTP mapper turns it into `application/problem+json`. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly code: ProblemCode;
  readonly errors: readonly SpecIssue[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ProblemCode, detail: string, { errors = [], headers = {} }: ProblemExtras = {}) {
    super(detail);
    this.code = code;
    this.errors = errors;
    this.headers = headers;
  }
}

export function problem(code: ProblemCode, detail: string, extras?: ProblemExtras): ProblemError {
  return new ProblemError(code, detail, extras);
}

/** The answer for another project's id, a deleted one and one that never was: the same for all. */
export function notFound(noun: 'dataset' | 'run' | 'verification'): ProblemError {
  return problem('not-found', `There is no such ${noun}.`);
}
