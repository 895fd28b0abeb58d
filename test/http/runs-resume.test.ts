import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventsOf } from '../flow/support/lifecycle.ts';
import { problemOf, startService, submitted, type TestService } from './support/service.ts';

describe('POST /v1/runs/{id}/resume', () => {
  let service: TestService;

  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  const resume = (id: string, headers = service.admin) =>
    service.app.inject({ method: 'POST', url: `/v1/runs/${id}/resume`, headers });
  const is = (id: string, status: 'paused' | 'pausing' | 'running' | 'cancelling' | 'succeeded') =>
    service.db.run.update({ where: { id }, data: { status, fence: 3, restarts: 2 } });

  it('queues a paused run and rings for it, and answers the same when repeated', async () => {
    const id = await submitted(service);
    await is(id, 'paused');
    service.tickets.splice(0);
    const first = await resume(id);
    const again = await resume(id);
    expect([first.statusCode, again.statusCode]).toEqual([202, 202]);
    expect(first.json()).toMatchObject({ id, status: 'queued' });
    expect(again.json()).toEqual(first.json());
    await expect.poll(() => service.tickets).toContain(id);
    // Going on does not forgive what crashed before.
    const run = await service.db.run.findUniqueOrThrow({ where: { id } });
    expect(run).toMatchObject({ status: 'queued', fence: 3, restarts: 2, workerId: null });
  });

  it('lets a run that was about to pause go on', async () => {
    const id = await submitted(service);
    await is(id, 'pausing');
    expect((await resume(id)).json().status).toBe('running');
  });

  it('has nothing to do for a running one', async () => {
    const id = await submitted(service);
    await is(id, 'running');
    const answer = await resume(id);
    expect([answer.statusCode, answer.json().status]).toEqual([202, 'running']);
    expect(await eventsOf(service, id)).toHaveLength(1);
  });

  it.each([
    ['cancelling', 'is being cancelled and cannot be resumed'],
    ['succeeded', 'has succeeded already and cannot be resumed'],
  ] as const)('is impossible while it is %s, and says so', async (status, why) => {
    const id = await submitted(service);
    await is(id, status);
    const refused = await resume(id);
    expect(problemOf(refused)).toMatchObject({ status: 409, code: 'illegal-transition' });
    expect(refused.json().detail).toContain(why);
  });

  it('is for the project’s own keys that may write', async () => {
    const id = await submitted(service);
    await is(id, 'paused');
    expect(problemOf(await resume(id, service.stranger)).status).toBe(404);
    expect(problemOf(await resume(id, service.reader)).status).toBe(403);
    expect((await service.db.run.findUniqueOrThrow({ where: { id } })).status).toBe('paused');
  });
});
