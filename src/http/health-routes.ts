// For whoever keeps the process running: is it alive, and can it do its work.
import type { FastifyInstance } from 'fastify';
import type { FastifyZodOpenApiTypeProvider } from 'fastify-zod-openapi';
import { z } from 'zod';
import type { Database } from '../db/client.ts';
import { readMigrations } from '../db/migrate.ts';
import { within } from '../deadline.ts';
import { readSchema } from './health-store.ts';

const livenessSchema = z.strictObject({ status: z.literal('alive') }).meta({ id: 'Liveness' });
const checkSchema = z.enum(['ok', 'failing']).meta({ id: 'CheckResult' });
const readinessSchema = z
  .strictObject({
    status: z.enum(['ready', 'unready']),
    checks: z.strictObject({ database: checkSchema, migrations: checkSchema }),
  })
  .meta({ id: 'Readiness' });

type Readiness = z.output<typeof readinessSchema>;

const answerMsMax = 2_000;
/** Anybody may ask, so an answer serves everybody who asks within this time. */
const freshMs = 500;

export function healthRoutes(app: FastifyInstance, db: Database): void {
  const routes = app.withTypeProvider<FastifyZodOpenApiTypeProvider>();
  let last: { at: number; answer: Promise<Readiness> } | null = null;

  routes.get(
    '/livez',
    {
      schema: {
        operationId: 'getLiveness',
        tags: ['service'],
        summary: 'Whether the process is alive',
        security: [],
        response: {
          200: { description: 'It is', content: { 'application/json': { schema: livenessSchema } } },
        },
      },
    },
    async () => ({ status: 'alive' as const }),
  );

  routes.get(
    '/readyz',
    {
      schema: {
        operationId: 'getReadiness',
        tags: ['service'],
        summary:
          'Whether requests can be served: the database takes reads and writes and has this version’s schema',
        security: [],
        response: {
          200: { description: 'Ready', content: { 'application/json': { schema: readinessSchema } } },
          503: { description: 'Not ready', content: { 'application/json': { schema: readinessSchema } } },
        },
      },
    },
    async (_request, reply) => {
      const now = performance.now();
      if (last === null || now - last.at > freshMs) last = { at: now, answer: checkReadiness(db) };
      const answer = await last.answer;
      return reply.code(answer.status === 'ready' ? 200 : 503).send(answer);
    },
  );
}

async function checkReadiness(db: Database): Promise<Readiness> {
  const migrations = await readMigrations();
  const schema = await within(answerMsMax, readSchema(db)).catch(() => null);
  const complete = schema !== null && migrations.every(({ name }) => schema.migrations.includes(name));
  const usable = schema?.writable === true;
  return {
    status: complete && usable ? 'ready' : 'unready',
    checks: { database: usable ? 'ok' : 'failing', migrations: complete ? 'ok' : 'failing' },
  };
}
