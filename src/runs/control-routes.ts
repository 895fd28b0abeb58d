// Cancel, pause and resume over HTTP: wishes that may be repeated, answered with the run as it is then.
import type { FastifyInstance } from 'fastify';
import type { FastifyZodOpenApiTypeProvider } from 'fastify-zod-openapi';
import { principalOf } from '../http/auth.ts';
import { idParameters } from '../http/parameters.ts';
import { problemResponses } from '../http/problems.ts';
import { jsonResponse } from '../http/responses.ts';
import { askOfRun } from './control-service.ts';
import { runSchema } from './schema.ts';
import type { RunDeps } from './service.ts';

const controls = [
  {
    action: 'cancel',
    operationId: 'cancelRun',
    summary: 'Cancel a run',
    description:
      'A run that waits or is paused is cancelled at once, a running one as soon as its worker hears of it. Repeated it is answered the same.',
    answer: 'It is cancelled or will be',
  },
  {
    action: 'pause',
    operationId: 'pauseRun',
    summary: 'Pause a run',
    description:
      'A queued run is paused at once; a running one stores its state, gives its worker back, and is paused then. Paused runs wait for resume, for as long as it takes. Repeated it is answered the same.',
    answer: 'It is paused or will be',
  },
  {
    action: 'resume',
    operationId: 'resumeRun',
    summary: 'Resume a paused run',
    description:
      'It is queued, and goes on where it was: the result is the same as without a pause. Of a run that is queued or running, also by an earlier resume, it is answered the same.',
    answer: 'It is queued or running',
  },
] as const;

export function controlRoutes(app: FastifyInstance, deps: RunDeps): void {
  const routes = app.withTypeProvider<FastifyZodOpenApiTypeProvider>();
  for (const { action, operationId, summary, description, answer } of controls) {
    routes.post(
      `/v1/runs/:id/${action}`,
      {
        schema: {
          operationId,
          tags: ['runs'],
          summary,
          description,
          params: idParameters,
          response: {
            202: jsonResponse(answer, runSchema),
            ...problemResponses(401, 403, 404, 409, 429),
          },
        },
      },
      async (request, reply) => {
        const run = await askOfRun(deps, principalOf(request).projectId, request.params.id, action);
        return reply.code(202).send(run);
      },
    );
  }
}
