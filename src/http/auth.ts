// Who is asking. Every route below it needs a key; the answer to a missing, garbled, unknown, expired and
// revoked key is one and the same.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { DeadlineError, within } from '../deadline.ts';
import { problem } from '../errors.ts';
import type { FailedKeys } from './failed-keys.ts';
import { databaseAway } from './problems.ts';

export interface Principal {
  readonly projectId: string;
  readonly keyId: string;
  readonly scope: 'read' | 'write' | 'admin';
}

/** Takes the Authorization header as it came. */
export type Authenticate = (authorizationHeader: string | undefined) => Promise<Principal | null>;

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal | null;
  }
  interface FastifyContextConfig {
    /** Set on POST routes that only read. */
    readOnly?: boolean;
  }
}

/** A database that was cut off without a word is no error yet; whatever a request wants of it, this comes first. */
const authenticateMsMax = 5_000;

/** Guards every route registered on `app`. Runs before the body is read. */
export function requireKey(app: FastifyInstance, authenticate: Authenticate, failedKeys: FailedKeys): void {
  app.decorateRequest('principal', null);
  app.addHook('onRequest', async (request) => {
    const principal = hasKeyInQuery(request)
      ? null
      : await inTime(authenticate(request.headers.authorization));
    if (principal === null) {
      const retrySeconds = failedKeys.count(request.ip);
      if (retrySeconds !== null) {
        throw problem('too-many-failed-keys', 'Wait before trying another key.', {
          headers: { 'retry-after': String(retrySeconds) },
        });
      }
      throw problem('unauthenticated', 'Send a valid key as "Authorization: Bearer ty_…".', {
        headers: { 'www-authenticate': 'Bearer' },
      });
    }
    const reads =
      request.method === 'GET' || request.method === 'HEAD' || request.routeOptions.config.readOnly === true;
    if (principal.scope === 'read' && !reads) {
      throw problem('forbidden', 'This key may only read.');
    }
    request.principal = principal;
  });
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  try {
    return await within(authenticateMsMax, work);
  } catch (error) {
    throw error instanceof DeadlineError ? databaseAway() : error;
  }
}

/** For handlers: the hook above has run. */
export function principalOf(request: FastifyRequest): Principal {
  if (request.principal === null) throw new Error('the route is not guarded by requireKey');
  return request.principal;
}

// Addresses end up in logs, histories and Referer headers: a key given there is refused even if it is valid.
function hasKeyInQuery({ query }: FastifyRequest): boolean {
  const entries = Object.entries((query ?? {}) as Record<string, unknown>);
  return entries.some(
    ([name, value]) =>
      /^(api[-_]?key|key|token|access[-_]?token|authorization)$/i.test(name) ||
      /^(Bearer )?ty_\w{20,}/i.test(String(value)),
  );
}
