// JSON as it may come in: valid UTF-8, no key that could reach a prototype, no deep nesting, and no text that
// Postgres could not store. Everything else is for the schemas.
import type { FastifyInstance } from 'fastify';
import { pointerTo, type SpecIssue } from '../engine/issues.ts';
import { problem } from '../errors.ts';

export const depthMax = 64;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Replaces Fastify's own JSON parser. */
export function parseJsonBodies(app: FastifyInstance): void {
  app.removeContentTypeParser('application/json');
  app.removeContentTypeParser('text/plain');
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, async (_: unknown, bytes: Buffer) =>
    parseJson(bytes),
  );
}

/** Throws problems of status 400, or 422 where a text could not be stored. */
export function parseJson(bytes: Uint8Array): unknown {
  const value = parse(decode(bytes));
  checkTree(value);
  return value;
}

function decode(bytes: Uint8Array): string {
  if (bytes.length === 0) throw problem('malformed-json', 'The body is empty.');
  try {
    return utf8.decode(bytes);
  } catch {
    throw problem('malformed-json', 'The body is not valid UTF-8.');
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof RangeError) throw tooDeep();
    // V8 quotes a piece of the body after "is not valid JSON" and the like; the position is what helps.
    const position = error instanceof Error ? /at position (\d+)/.exec(error.message)?.[1] : undefined;
    const where = position === undefined ? '' : `: unexpected text at character ${Number(position) + 1}`;
    throw problem('malformed-json', `The body is not JSON${where}. (NaN and Infinity are not JSON.)`);
  }
}

interface Visit {
  readonly value: unknown;
  readonly key: string | number;
  readonly parent: Visit | null;
  readonly depth: number;
}

/** Walks with a stack of its own: a deep body must not become a deep recursion. */
function checkTree(root: unknown): void {
  const stack: Visit[] = [{ value: root, key: '', parent: null, depth: 0 }];
  const issues: SpecIssue[] = [];
  for (let visit = stack.pop(); visit !== undefined && issues.length < 20; visit = stack.pop()) {
    const { value, depth } = visit;
    if (typeof value === 'string') {
      const flaw = textFlaw(value);
      if (flaw !== null) issues.push({ pointer: pointerOf(visit), detail: flaw });
    } else if (value !== null && typeof value === 'object') {
      if (depth >= depthMax) throw tooDeep();
      for (const key of Object.keys(value)) {
        const inner = (value as Record<string, unknown>)[key];
        checkKey(key, inner);
        const child: Visit = { value: inner, key, parent: visit, depth: depth + 1 };
        const flaw = textFlaw(key);
        if (flaw !== null) issues.push({ pointer: pointerOf(child), detail: `the key ${flaw}` });
        // Numbers, booleans and null need no second look.
        if (typeof inner === 'string' || typeof inner === 'object') stack.push(child);
      }
    }
  }
  if (issues.length > 0) {
    throw problem('invalid-request', 'The body holds text that cannot be stored.', {
      errors: issues.reverse(),
    });
  }
}

function checkKey(key: string, inner: unknown): void {
  const poisons =
    key === '__proto__' ||
    (key === 'constructor' &&
      inner !== null &&
      typeof inner === 'object' &&
      Object.hasOwn(inner, 'prototype'));
  if (poisons)
    throw problem('forbidden-key', 'The keys __proto__ and constructor.prototype are not accepted.');
}

/** Why a text cannot be stored, or null. */
export function textFlaw(text: string): string | null {
  if (text.includes('\u0000')) return 'contains the character U+0000, which cannot be stored';
  // With the u flag a whole pair is one character, so this finds halves only.
  return /\p{Surrogate}/u.test(text) ? 'contains half of a surrogate pair, which is not a character' : null;
}

function pointerOf(visit: Visit): string {
  const path: (string | number)[] = [];
  for (let at: Visit | null = visit; at?.parent; at = at.parent) path.unshift(at.key);
  return pointerTo(path);
}

function tooDeep() {
  return problem('too-deep', `The body may be nested ${depthMax} levels deep at most.`);
}
