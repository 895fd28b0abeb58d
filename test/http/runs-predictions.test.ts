import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createInterpreter } from '../../src/engine/codegen/interpreter.ts';
import { createPredictor } from '../../src/engine/predict.ts';
import { type FinishedRun, trainedRun } from './support/finished-run.ts';
import { problemOf, startService, submitted, type TestService } from './support/service.ts';

describe('POST /v1/runs/{id}/predictions', () => {
  let service: TestService;
  let run: FinishedRun;

  beforeAll(async () => {
    service = await startService();
    run = await trainedRun(service);
  });
  afterAll(() => service.stop());

  const predict = (rows: unknown, id = run.id, headers = service.reader) =>
    service.app.inject({
      method: 'POST',
      url: `/v1/runs/${id}/predictions`,
      headers,
      payload: { rows } as object,
    });

  it('predicts from rows as they are, with probabilities, for a key that may only read', async () => {
    const rows = Array.from({ length: 600 }, (_, i) => ({ length: i / 100, width: 3 - i / 200 }));
    const answer = await predict(rows);
    expect(answer.statusCode).toBe(200);
    const expected = createPredictor(run.model, createInterpreter).predict(rows);
    expect(answer.json()).toEqual(JSON.parse(JSON.stringify(expected)));
    const { value, probabilities } = answer.json().predictions[0];
    expect(['red', 'blue']).toContain(value);
    expect(probabilities.red + probabilities.blue).toBeCloseTo(1, 5);
  });

  it('points at the row and the column that cannot be used, wherever it stands', async () => {
    const rows: object[] = Array.from({ length: 300 }, () => ({ length: 1, width: 1 }));
    rows[299] = { length: 'long', width: 1 };
    expect(problemOf(await predict(rows))).toEqual({
      status: 422,
      code: 'invalid-request',
      pointers: ['#/rows/299/length'],
    });
    const mistyped = await predict([{ lenght: 1, width: 1 }]);
    expect(problemOf(mistyped).status).toBe(422);
    expect(mistyped.body).toContain('length');
  });

  it.each([
    ['no rows', [], '#/rows'],
    ['more than 10,000', Array.from({ length: 10_001 }, () => ({})), '#/rows'],
    ['no list', 'x', '#/rows'],
    ['null', [{ length: null, width: 1 }], '#/rows/0/length'],
    ['a nested row', [{ length: [1], width: 1 }], '#/rows/0/length'],
  ])('refuses %s', async (_, rows, pointer) => {
    expect(problemOf(await predict(rows))).toEqual({
      status: 422,
      code: 'invalid-request',
      pointers: [pointer],
    });
  });

  it('is impossible before there is a model, and for another project', async () => {
    expect(problemOf(await predict([{ length: 1, width: 1 }], await submitted(service))).code).toBe(
      'no-model-yet',
    );
    expect(problemOf(await predict([{ length: 1, width: 1 }], run.id, service.stranger)).status).toBe(404);
  });
});
