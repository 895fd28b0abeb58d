import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { reportWorker } from '../../src/workers/store.ts';
import { manyFlowers, specFor, startService, submit, type TestService, upload } from './support/service.ts';

const MiB = 1024 ** 2;

describe('POST /v1/runs and the workers’ memory', () => {
  let service: TestService;
  let large: Record<string, unknown>;
  beforeAll(async () => {
    service = await startService();
    const layers = [
      { kind: 'dense', units: 4000 },
      { kind: 'dense', units: 1000 },
      { kind: 'dense', units: 2 },
    ];
    large = specFor(await upload(service, manyFlowers()), { model: { layers } });
  });
  beforeEach(async () => {
    await service.db.worker.deleteMany();
  });
  afterAll(() => service.stop());

  const report = (id: string, memoryBytes: number) =>
    reportWorker(service.sql, {
      ...{ id, hostname: 'here', engineVersion: '1', backend: 'wasm', slots: 1, memoryBytes },
    });

  it('takes what the largest of them can hold, and notes what it needs', async () => {
    await report('small', 100 * MiB);
    await report('large', 10_000 * MiB);
    const answer = await submit(service, large);
    expect(answer.statusCode).toBe(201);
    const { memoryBytes } = await service.db.run.findUniqueOrThrow({ where: { id: answer.json().id } });
    // Four million parameters with Adam's two moments, twice; their checkpoints.
    expect(Number(memoryBytes)).toBeGreaterThan(4e6 * 4 * 8);
    expect(Number(memoryBytes)).toBeLessThan(1_000 * MiB);
  });

  it('refuses what none of them could, with the need and what there is, and stores nothing', async () => {
    await report('small', 100 * MiB);
    await report('less', 90 * MiB);
    const before = await service.db.run.count();
    for (const url of ['/v1/runs', '/v1/runs?validateOnly=true']) {
      const headers = { ...service.admin, 'content-type': 'application/json' };
      const payload = JSON.stringify(large);
      const answer = await service.app.inject({ method: 'POST', url, headers, payload });
      expect(answer.statusCode).toBe(422);
      const { code, errors } = answer.json();
      expect(code).toBe('invalid-spec');
      expect(errors).toHaveLength(1);
      expect(errors[0].pointer).toBe('#/model/layers');
      expect(errors[0].detail).toMatch(
        /^training needs about \d{9,} bytes of memory, and the largest worker has 104857600; use fewer units/,
      );
    }
    expect(await service.db.run.count()).toBe(before);
  });

  it('goes by the engine’s own limit while there is no worker, or only silent ones', async () => {
    expect((await submit(service, large)).statusCode).toBe(201);
    await report('silent', 100 * MiB);
    await service.db.$executeRaw`UPDATE "Worker" SET "lastSeenAt" = now() - interval '1 minute'`;
    expect((await submit(service, large)).statusCode).toBe(201);
  });
});
