// The OpenAPI document, made from the routes' own schemas, and the pages that show it.
import helmet from '@fastify/helmet';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import {
  fastifyZodOpenApiPlugin,
  fastifyZodOpenApiTransformers,
  validatorCompiler,
} from 'fastify-zod-openapi';

const description = `Self-hosted training as a service. Upload a table, post a run, watch it train, fetch the weights.

Errors are \`application/problem+json\` (RFC 9457) with a stable \`code\`. Lists take \`?limit=\` and \`?cursor=\`.
POST requests that create something take an \`Idempotency-Key\`: the same key with the same request is answered
with the first answer for 24 hours.`;

/** Has to be registered before the routes. */
export async function registerDocs(app: FastifyInstance, version: string): Promise<void> {
  app.setValidatorCompiler(validatorCompiler);
  // Types already say that an answer fits its schema. Checking again at run time could only turn an answer
  // into a 500.
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
    // Whether it is served over TLS is for whoever puts a proxy in front to say.
    strictTransportSecurity: false,
  });
  await app.register(fastifyZodOpenApiPlugin);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Trainyard', version, description, license: { name: 'MIT', identifier: 'MIT' } },
      servers: [{ url: '/', description: 'This service' }],
      security: [{ apiKey: [] }],
      tags: [
        { name: 'datasets', description: 'Tables to train on' },
        { name: 'runs', description: 'Trainings: submit, watch, stop, use' },
        { name: 'service', description: 'The service itself' },
      ],
      components: {
        securitySchemes: {
          apiKey: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'ty_<key>',
            description: 'A key of your project',
          },
        },
      },
    },
    ...fastifyZodOpenApiTransformers,
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    indexPrefix: '',
    uiConfig: { deepLinking: true, persistAuthorization: false },
    staticCSP: {
      'default-src': "'none'",
      'base-uri': "'none'",
      'connect-src': "'self'",
      'font-src': "'self' data:",
      'frame-ancestors': "'none'",
      'img-src': "'self' data:",
      'script-src': "'self'",
      'style-src': "'self' 'unsafe-inline'",
    },
  });
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
}
