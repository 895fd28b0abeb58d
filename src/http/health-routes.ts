// For whoever keeps the process running: is it alive, and can it do its work.
import type { FastifyInstance } from 'fastify';
import type { FastifyZodOpenApiTypeProvider } from 'fastify-zod-openapi';
import { z } from 'zod';
import type { Database } from '../db/client.ts';
import { readMigrations } from '../db/migrate.ts';
import { appliedMigrations } from './health-store.ts';

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
        summary: 'Whether requests can be served: the database answers and has this version’s schema',
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
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), answerMsMax);
  });
  const applied = await Promise.race([appliedMigrations(db).catch(() => null), tooLate]);
  clearTimeout(timer);
  const complete = applied !== null && migrations.every(({ name }) => applied.includes(name));
  return {
    status: complete ? 'ready' : 'unready',
    checks: { database: applied === null ? 'failing' : 'ok', migrations: complete ? 'ok' : 'failing' },
  };
}
