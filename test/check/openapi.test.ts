import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { activations } from '../../src/engine/kinds/activations/registry.ts';
import { gradientClippings } from '../../src/engine/kinds/gradient-clippings/registry.ts';
import { layers } from '../../src/engine/kinds/layers/registry.ts';
import { losses } from '../../src/engine/kinds/losses/registry.ts';
import { optimizers } from '../../src/engine/kinds/optimizers/registry.ts';
import { regularizers } from '../../src/engine/kinds/regularizers/registry.ts';
import { schedules } from '../../src/engine/kinds/schedules/registry.ts';
import { describeApi } from '../../src/http/openapi-document.ts';
import { packageRoot, packageVersion } from '../../src/package-root.ts';

interface Operation {
  readonly operationId?: string;
  readonly tags?: readonly string[];
  readonly summary?: string;
  readonly security?: readonly object[];
  readonly responses: Readonly<Record<string, { description?: string; content?: Record<string, object> }>>;
}

interface OpenApi {
  readonly servers: readonly object[];
  readonly info: { readonly license: { readonly name: string } };
  readonly security: readonly object[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, { discriminator?: { mapping: Record<string, string> } }>>;
    readonly securitySchemes: object;
  };
}

describe('openapi.json', () => {
  let text = '';
  let api: OpenApi;
  let operations: { name: string; operation: Operation }[] = [];

  beforeAll(async () => {
    text = await describeApi(packageVersion());
    api = JSON.parse(text) as OpenApi;
    operations = Object.entries(api.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, operation })),
    );
  });

  it('is what the routes say: run `npm run openapi` after changing them', async () => {
    expect(await readFile(join(packageRoot(), 'openapi', 'openapi.json'), 'utf8')).toBe(text);
  });

  it('has no empty schema', () => {
    expect(findEmptySchemas(api, [])).toEqual([]);
    expect(findEmptySchemas({ content: { 'a/b': { schema: {} } } }, [])).toEqual(['content/a/b/schema']);
  });

  it('names every operation once, in camelCase, with one tag and a summary', () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBeGreaterThanOrEqual(16);
    for (const { name, operation } of operations) {
      expect(operation.operationId, name).toMatch(/^[a-z][a-zA-Z]+$/);
      expect(operation.tags, name).toHaveLength(1);
      expect(operation.summary, name).toMatch(/^[A-Z].{5,}/);
    }
  });

  it('types every answer: errors are problem+json, what has a body has a schema', () => {
    for (const { name, operation } of operations) {
      for (const [status, response] of Object.entries(operation.responses)) {
        const where = `${name} ${status}`;
        expect(response.description, where).not.toBe('Default Response');
        if (['204', '304'].includes(status)) {
          expect(response.content, where).toBeUndefined();
        } else if (Number(status) >= 400 && !name.endsWith('/readyz')) {
          expect(response.content, where).toEqual({
            'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
          });
        } else {
          expect(Object.keys(response.content ?? {}), where).not.toHaveLength(0);
        }
      }
    }
  });

  it('asks for a key everywhere but for the health checks', () => {
    expect(api.security).toEqual([{ apiKey: [] }]);
    expect(api.components.securitySchemes).toMatchObject({ apiKey: { type: 'http', scheme: 'bearer' } });
    const open = operations
      .filter(({ operation }) => operation.security?.length === 0)
      .map(({ name }) => name);
    expect(open).toEqual(['get /livez', 'get /readyz']);
    for (const { name, operation } of operations) {
      if (!open.includes(name)) expect(Object.keys(operation.responses), name).toContain('401');
    }
  });

  it('has servers and a licence', () => {
    expect(api.servers).toHaveLength(1);
    expect(api.info.license.name).toBe('MIT');
  });

  it.each([
    ['Activation', activations],
    ['GradientClipping', gradientClippings],
    ['Layer', layers],
    ['Loss', losses],
    ['Optimizer', optimizers],
    ['Regularizer', regularizers],
    ['Schedule', schedules],
  ])('lists every kind of %s', (schema, { names }) => {
    expect(Object.keys(api.components.schemas[schema]?.discriminator?.mapping ?? {}).sort()).toEqual(
      [...names].sort(),
    );
  });

  it('points to nothing that is not there', () => {
    const targets = [...text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name ?? '');
    expect(targets.length).toBeGreaterThan(50);
    for (const name of targets) expect(api.components.schemas).toHaveProperty([name]);
  });
});

/** Paths of schemas that say nothing. */
function findEmptySchemas(value: unknown, path: readonly string[]): string[] {
  if (value === null || typeof value !== 'object') return [];
  const key = path.at(-1) ?? '';
  const parent = path.at(-2) ?? '';
  const isSchema =
    ['schema', 'items', 'additionalProperties'].includes(key) || ['properties', 'schemas'].includes(parent);
  if (isSchema && Object.keys(value).length === 0) return [path.join('/')];
  return Object.entries(value).flatMap(([name, inner]) => findEmptySchemas(inner, [...path, name]));
}
