// Zod's issues as pointers with text for people: an unknown key or word gets a suggestion, a wrong kind the
// list of kinds there are.
import type { z } from 'zod';
import { listWords, pointerTo, quote, type SpecIssue, suggestion } from '../engine/issues.ts';

const issuesMax = 50;

/** `place` says which part of the request was read: pointers are for bodies, `?name` for queries. */
export type Place = 'body' | 'querystring' | 'params' | 'headers';

/** At most 50 issues in the order found. `schema` and `input` are what was parsed, to suggest from. */
export function describeIssues(
  issues: readonly z.core.$ZodIssue[],
  schema: unknown,
  input: unknown,
  place: Place = 'body',
): SpecIssue[] {
  return issues.flatMap((issue) => describe(issue, schema, input, place)).slice(0, issuesMax);
}

function describe(issue: z.core.$ZodIssue, schema: unknown, input: unknown, place: Place): SpecIssue[] {
  const value = valueAt(input, issue.path);
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, input, issue.path);
    return issue.keys.map((key) => ({
      pointer: at([...issue.path, key], place),
      detail: `unknown ${place === 'querystring' ? 'parameter' : 'key'} ${quote(key)}${suggestion(key, known)}${
        known.length > 0 ? `; known: ${listWords(known, 20)}` : ''
      }`,
    }));
  }
  if (issue.code === 'invalid_union') return describeUnion(issue, schema, input, place);
  return [{ pointer: at(issue.path, place), detail: describeValue(issue, value) }];
}

function describeValue(issue: z.core.$ZodIssue, value: unknown): string {
  if (issue.code === 'invalid_value') {
    const words = issue.values.map(String);
    if (value === undefined) return `is required; one of ${listWords(words, 30)}`;
    const meant = typeof value === 'string' ? suggestion(value, words) : '';
    return `${quote(value)} is not one of ${listWords(words, 30)}${meant}`;
  }
  if (issue.code === 'invalid_type') {
    if (value === undefined) return `is required (${issue.expected})`;
    return `${describeGiven(value)} given where ${article(issue.expected)} is expected`;
  }
  if (issue.code === 'too_big' || issue.code === 'too_small') {
    const least = issue.code === 'too_small';
    const bound = String(least ? issue.minimum : issue.maximum);
    const relation =
      issue.inclusive === false ? (least ? 'more than' : 'less than') : least ? 'at least' : 'at most';
    if (issue.origin === 'string') return `has to have ${relation} ${bound} characters`;
    if (
      issue.origin === 'array' ||
      issue.origin === 'record' ||
      issue.origin === 'map' ||
      issue.origin === 'set'
    ) {
      return `has to have ${relation} ${bound} entries`;
    }
    return `${quote(value)} given; it has to be ${relation} ${bound}`;
  }
  return `${issue.message}${isPlain(value) ? ` (${quote(value)} given)` : ''}`;
}

/** A discriminated union that knew no such kind, or a plain union none of whose members fits. */
function describeUnion(
  issue: z.core.$ZodIssueInvalidUnion,
  schema: unknown,
  input: unknown,
  place: Place,
): SpecIssue[] {
  const { discriminator } = issue as { discriminator?: string };
  if (discriminator !== undefined) {
    const path = issue.path.at(-1) === discriminator ? issue.path : [...issue.path, discriminator];
    const value = valueAt(input, path);
    const union = schemaAt(schema, input, path.slice(0, -1), false);
    const words = discriminants(union, discriminator);
    const known = words.length > 0 ? `; known: ${listWords(words, 40)}` : '';
    if (value === undefined) return [{ pointer: at(path, place), detail: `is required${known}` }];
    const meant = typeof value === 'string' ? suggestion(value, words) : '';
    return [{ pointer: at(path, place), detail: `unknown ${discriminator} ${quote(value)}${meant}${known}` }];
  }
  // The member that got furthest says most about what was meant; a value of the right type comes next.
  const depth = (branch: readonly z.core.$ZodIssue[]) =>
    Math.max(0, ...branch.map(({ path }) => path.length));
  const [deepest] = [...issue.errors].sort((a, b) => depth(b) - depth(a));
  const typed = issue.errors.find(([first]) => first !== undefined && first.code !== 'invalid_type');
  const meant = deepest && depth(deepest) > 0 ? deepest : typed;
  if (meant !== undefined) {
    return meant.flatMap((inner) =>
      describe({ ...inner, path: [...issue.path, ...inner.path] } as z.core.$ZodIssue, schema, input, place),
    );
  }
  const expected = issue.errors.flatMap(([first]) =>
    first?.code === 'invalid_type' ? [first.expected] : [],
  );
  const value = valueAt(input, issue.path);
  const detail =
    expected.length > 0
      ? `${describeGiven(value)} given where ${expected.map(article).join(' or ')} is expected`
      : issue.message;
  return [{ pointer: at(issue.path, place), detail }];
}

function at(path: readonly PropertyKey[], place: Place): string {
  if (place === 'body') return pointerTo(path);
  return place === 'querystring' ? `?${path.map(String).join('.')}` : path.map(String).join('.');
}

/** What zod calls otherwise than JSON does. */
const WORDS: Readonly<Record<string, string>> = { int: 'whole number', record: 'object', tuple: 'array' };

function article(expected: string): string {
  const word = WORDS[expected] ?? expected;
  return /^[aeiou]/.test(word) ? `an ${word}` : `a ${word}`;
}

function describeGiven(value: unknown): string {
  if (Array.isArray(value)) return 'an array was';
  if (value !== null && typeof value === 'object') return 'an object was';
  return `${quote(value)} was`;
}

function isPlain(value: unknown): boolean {
  return value !== undefined && (value === null || typeof value !== 'object');
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const key of path) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

// What follows reads zod's published `_zod.def`, the way its own JSON Schema writer does.
interface Definition {
  readonly type?: string;
  readonly shape?: Readonly<Record<string, unknown>>;
  readonly innerType?: unknown;
  readonly in?: unknown;
  readonly out?: unknown;
  readonly getter?: () => unknown;
  readonly element?: unknown;
  readonly valueType?: unknown;
  readonly options?: readonly unknown[];
  readonly discriminator?: string;
  readonly values?: readonly unknown[];
}

function definition(schema: unknown): Definition | null {
  if (schema === null || typeof schema !== 'object' || !('_zod' in schema)) return null;
  return (schema as { _zod: { def: Definition } })._zod.def;
}

/** Removes optional, default, pipe, lazy; and resolves a union by the input's discriminator where asked. */
function unwrap(schema: unknown, value: unknown, chooseMember: boolean): unknown {
  const def = definition(schema);
  if (!def) return schema;
  if (def.innerType !== undefined) return unwrap(def.innerType, value, chooseMember);
  if (def.type === 'pipe')
    return unwrap(definition(def.in)?.type === 'transform' ? def.out : def.in, value, chooseMember);
  if (def.getter) return unwrap(def.getter(), value, chooseMember);
  const { discriminator } = def;
  if (chooseMember && def.options && discriminator !== undefined) {
    const kind = valueAt(value, [discriminator]);
    const member = def.options.find((option) =>
      discriminants(option, discriminator).some((word) => word === kind),
    );
    return member === undefined ? schema : unwrap(member, value, true);
  }
  return schema;
}

function schemaAt(
  schema: unknown,
  input: unknown,
  path: readonly PropertyKey[],
  chooseMember: boolean,
): unknown {
  let current = schema;
  let value = input;
  for (const key of path) {
    const def = definition(unwrap(current, value, true));
    current = def?.shape?.[String(key)] ?? def?.element ?? def?.valueType;
    value = valueAt(value, [key]);
  }
  return unwrap(current, value, chooseMember);
}

function keysAt(schema: unknown, input: unknown, path: readonly PropertyKey[]): string[] {
  return Object.keys(definition(schemaAt(schema, input, path, true))?.shape ?? {});
}

function discriminants(schema: unknown, discriminator: string): string[] {
  const def = definition(unwrap(schema, undefined, false));
  if (def?.options) return def.options.flatMap((option) => discriminants(option, discriminator));
  const literal = definition(def?.shape?.[discriminator]);
  return (literal?.values ?? []).map(String);
}
