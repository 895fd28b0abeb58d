import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runProgram } from '../../../src/cli/program.ts';
import { eventText, runJson, type ScriptedService, sendJson, startScripted } from './service.ts';
import { type FakeTerminal, fakeTerminal } from './terminal.ts';

let folder = '';
let service: ScriptedService | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'trainyard-cli-'));
});
afterEach(async () => {
  await service?.close();
  service = undefined;
  rmSync(folder, { recursive: true });
});

type Answers = Record<string, (...at: Parameters<Parameters<typeof startScripted>[0]>) => void>;

/** A service that answers `METHOD /path` (without the query) by the table, anything else with 404. */
async function serve(answers: Answers): Promise<ScriptedService> {
  service = await startScripted((request, response, body) => {
    const route = `${request.method} ${request.url?.split('?')[0]}`;
    const answer = answers[route];
    if (answer) answer(request, response, body);
    else sendJson(response, 404, { title: 'Not found', status: 404, detail: `no ${route}` });
  });
  return service;
}

async function trainyard(args: readonly string[], terminal: FakeTerminal = fakeTerminal()) {
  const env = { TRAINYARD_URL: service?.url, TRAINYARD_API_KEY: 'ty_test', DATA_DIR: folder };
  const exitCode = await runProgram(args, { terminal, env, exitCode: 0 }, '1.2.3');
  return { exitCode, out: terminal.written(), err: terminal.noted(), terminal };
}

function write(name: string, content: string): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

const run = runJson();
const spec = {
  name: 'digits',
  data: { target: 'digit' },
  training: { epochs: 3 },
  model: { layers: [{ units: 8 }] },
};

const commands = [
  'up',
  'train',
  'runs',
  'show',
  'logs',
  'cancel',
  'pause',
  'resume',
  'predict',
  'weights',
  'verify',
];

describe('usage', () => {
  it('prints the version', async () => {
    expect(await trainyard(['--version'])).toMatchObject({ exitCode: 0, out: '1.2.3\n' });
  });

  it.each([[], ...commands.map((name) => [name])])(
    'keeps the help of "%s" within 80 columns',
    async (...command) => {
      const { exitCode, out } = await trainyard([...command, '--help']);
      expect(exitCode).toBe(0);
      expect(out).toContain('Usage: trainyard');
      expect(out.split('\n').filter((line) => line.length > 80)).toEqual([]);
    },
  );

  it.each([
    [['predit', 'last'], 'Did you mean predict?'],
    [['runs', '--limt', '3'], 'Did you mean --limit?'],
    [['runs', '--limit', '0'], 'whole number'],
    [['show'], "missing required argument 'run'"],
    [['show', 'digits'], "not a run's id"],
    [['train', 'missing.json'], 'no such file'],
    [['runs', '--url', 'ftp://nowhere'], 'not an address'],
  ])('%j is a usage error', async (args, text) => {
    const { exitCode, err } = await trainyard(args);
    expect(exitCode).toBe(2);
    expect(err).toContain(text);
  });
});

describe('train', () => {
  it('uploads the data, changes the spec, submits, follows, and succeeds', async () => {
    const received: { csv?: string; spec?: unknown } = {};
    const confusionMatrix = {
      part: 'test',
      labels: ['a', 'b'],
      counts: [
        [3, 0],
        [1, 4],
      ],
    };
    const results = { loss: 0.1, testAccuracy: 0.975, confusionMatrix };
    await serve({
      'POST /v1/datasets': (request, response, body) => {
        received.csv = `${request.url} ${request.headers['content-type']} ${body}`;
        sendJson(response, 201, { id: 'd1', name: 'a.csv', rowCount: 1, columns: [] });
      },
      'POST /v1/runs': (_request, response, body) => {
        received.spec = JSON.parse(body);
        sendJson(response, 201, run);
      },
      [`GET /v1/runs/${run.id}/events`]: (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(eventText(1, 'status', { status: 'queued' }));
        response.write(eventText(2, 'epoch', { epoch: 1, epochs: 5, metrics: { loss: 0.5 } }));
        response.end(eventText(3, 'done', { status: 'succeeded' }));
      },
      [`GET /v1/runs/${run.id}`]: (_request, response) =>
        sendJson(response, 200, runJson({ status: 'succeeded', epoch: 5, epochs: 5, results })),
    });
    const args = [
      'train',
      write('spec.json', JSON.stringify(spec)),
      '--data',
      write('a.csv', 'x,digit\n1,2\n'),
    ];
    const { exitCode, out, err } = await trainyard([
      ...args,
      ...['--set', 'training.epochs=5', '--set', 'model.layers.0.units=16', '--name', 'five'],
    ]);
    expect(err).toContain('loss');
    expect(exitCode).toBe(0);
    expect(out).toContain('digits: succeeded, 5 epochs');
    expect(out).toMatch(/test +0\.9750/);
    expect(received.csv).toBe('/v1/datasets?name=a.csv text/csv x,digit\n1,2\n');
    expect(received.spec).toEqual({
      name: 'five',
      data: { target: 'digit', dataset: 'd1' },
      training: { epochs: 5 },
      model: { layers: [{ units: 16 }] },
    });
    expect(service?.requests.every((request) => request.headers.authorization === 'Bearer ty_test')).toBe(
      true,
    );
  });

  it('prints only the id with --detach', async () => {
    await serve({ 'POST /v1/runs': (_request, response) => sendJson(response, 201, run) });
    const path = write('spec.json', JSON.stringify(spec));
    expect(await trainyard(['train', path, '--dataset', 'd1', '--detach'])).toMatchObject({
      exitCode: 0,
      out: `${run.id}\n`,
      err: '',
    });
  });

  it('shows each pointer of a refused spec', async () => {
    const errors = [
      { pointer: '#/model/layers/0/units', detail: 'must be at least 1' },
      { pointer: '#/optimizer/kind', detail: 'unknown "adm"; did you mean "adam"?' },
    ];
    await serve({
      'POST /v1/runs': (_request, response) =>
        sendJson(response, 422, {
          title: 'Invalid request',
          status: 422,
          detail: 'The spec is wrong.',
          errors,
        }),
    });
    const path = write('spec.json', JSON.stringify(spec));
    const { exitCode, err } = await trainyard(['train', path, '--dataset', 'd1']);
    expect(exitCode).toBe(1);
    expect(err).toContain('  #/model/layers/0/units  must be at least 1\n');
    expect(err).toContain('did you mean "adam"?');
  });
});

describe('following', () => {
  /** Streams epoch 1, then holds the stream open until the run is cancelled. */
  async function serveUntilCancelled() {
    let finish = () => {};
    await serve({
      [`GET /v1/runs/${run.id}/events`]: (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(eventText(1, 'epoch', { epoch: 1, epochs: 3, metrics: { loss: 0.5 } }));
        finish = () => response.end(eventText(2, 'done', { status: 'cancelled' }));
      },
      [`POST /v1/runs/${run.id}/cancel`]: (_request, response) => {
        finish();
        finish = () => {};
        sendJson(response, 202, runJson({ status: 'cancelling' }));
      },
      [`GET /v1/runs/${run.id}`]: (_request, response) =>
        sendJson(response, 200, runJson({ status: cancels() ? 'cancelled' : 'running' })),
    });
  }
  const cancels = () => service?.requests.filter((request) => request.url?.endsWith('/cancel')).length ?? 0;

  /** Follows on a live terminal and interrupts once the first epoch is on the screen. */
  async function interrupted(answer: (terminal: FakeTerminal) => void) {
    const terminal = fakeTerminal({ live: true, canAsk: true });
    const done = trainyard(['logs', run.id, '--follow'], terminal);
    await expect.poll(terminal.noted).toContain(' 1/3');
    terminal.interrupt();
    expect(terminal.noted()).toContain('Cancel the run, or only stop watching? [c/s]');
    answer(terminal);
    return done;
  }

  it('cancels the run when asked to, and fails', async () => {
    await serveUntilCancelled();
    const { exitCode, out } = await interrupted((terminal) => terminal.press('c'));
    expect(exitCode).toBe(1);
    expect(cancels()).toBe(1);
    expect(out).toContain('digits: cancelled');
  });

  it.each(['s', null])('only stops watching on %j', async (key) => {
    await serveUntilCancelled();
    const { exitCode, err } = await interrupted((terminal) => terminal.press(key));
    expect(exitCode).toBe(130);
    expect(cancels()).toBe(0);
    expect(err).toContain(`trainyard logs ${run.id} --follow`);
  });

  it('only stops watching on a second interrupt', async () => {
    await serveUntilCancelled();
    expect(await interrupted((terminal) => terminal.interrupt())).toMatchObject({ exitCode: 130 });
    expect(cancels()).toBe(0);
  });

  it('does not ask where nobody could answer', async () => {
    await serveUntilCancelled();
    const terminal = fakeTerminal();
    const done = trainyard(['logs', run.id, '--follow'], terminal);
    await expect.poll(terminal.noted).toContain('1/3');
    terminal.interrupt();
    expect(await done).toMatchObject({ exitCode: 130 });
    expect(terminal.noted()).toContain('the run goes on');
    expect(cancels()).toBe(0);
  });

  it('fails when the run diverged', async () => {
    await serve({
      [`GET /v1/runs/${run.id}/events`]: (_request, response) =>
        void response.end(eventText(1, 'done', { status: 'failed' })),
      [`GET /v1/runs/${run.id}`]: (request, response) =>
        sendJson(
          response,
          200,
          service?.requests.indexOf(request) === 0
            ? run
            : runJson({ status: 'failed', stopReason: 'diverged', epoch: 1 }),
        ),
    });
    const { exitCode, out } = await trainyard(['logs', run.id, '--follow']);
    expect(exitCode).toBe(1);
    expect(out).toContain('failed (diverged), 1 of 3 epochs');
  });
});

describe('verifying', () => {
  async function verified(answer: object) {
    let body: unknown;
    const verification = { id: 'v1', verdict: null, firstDifferentEpoch: null, detail: null };
    await serve({
      [`GET /v1/runs/${run.id}`]: (_request, response) => sendJson(response, 200, run),
      [`POST /v1/runs/${run.id}/verify`]: (_request, response, sent) => {
        body = JSON.parse(sent);
        sendJson(response, 202, { ...verification, status: 'queued' });
      },
      [`GET /v1/runs/${run.id}/verifications/v1`]: (_request, response) =>
        sendJson(response, 200, { ...verification, ...answer }),
    });
    return { ...(await trainyard(['verify', run.id, '--from', '2', '--to', '3'])), body };
  }

  it('says where the first difference is, and fails', async () => {
    const detail = 'Trained again, epoch 2 gives other weights.';
    const { exitCode, out, body } = await verified({
      ...{ status: 'done', verdict: 'differs', firstDifferentEpoch: 2, detail },
    });
    expect(body).toEqual({ fromEpoch: 2, toEpoch: 3 });
    expect(out).toBe(`digits: differs at epoch 2. ${detail}\n`);
    expect(exitCode).toBe(1);
  });

  it('succeeds when all is equal, and fails without a verdict', async () => {
    const equal = await verified({ status: 'done', verdict: 'equal', detail: 'Same bits.' });
    expect(equal).toMatchObject({ exitCode: 0, out: 'digits: equal. Same bits.\n' });
    const failed = await verified({ status: 'failed', detail: 'The data is gone.' });
    expect(failed.exitCode).toBe(1);
    expect(failed.err).toContain('There is no verdict: The data is gone.');
  });
});

describe('looking', () => {
  it('defuses terminal codes in names', async () => {
    const name = 'a\u001b]0;owned\u0007b\u202ec';
    await serve({
      'GET /v1/runs': (_request, response) =>
        sendJson(response, 200, { data: [runJson({ name })], hasMore: false, nextCursor: null }),
      [`GET /v1/runs/${run.id}`]: (_request, response) => sendJson(response, 200, runJson({ name })),
    });
    const { out } = await trainyard(['show', 'last']);
    expect(out).toContain('a\\u001b]0;owned\\u0007b\\u202ec');
    const listed = (await trainyard(['runs'])).out;
    expect(['\u001b', '\u0007', '\u202e'].filter((mark) => listed.includes(mark))).toEqual([]);
  });

  it('collects pages up to the limit, and filters', async () => {
    await serve({
      'GET /v1/runs': (request, response) => {
        const query = new URL(request.url ?? '', 'http://x').searchParams;
        expect(query.get('status')).toBe('failed');
        const limit = Number(query.get('limit'));
        const data = Array.from({ length: limit }, () => run);
        sendJson(response, 200, { data, hasMore: true, nextCursor: 'next' });
      },
    });
    const { out } = await trainyard(['runs', '--status', 'failed', '--limit', '130', '--json']);
    expect(JSON.parse(out)).toHaveLength(130);
    expect(service?.requests[1]?.url).toContain('cursor=next');
  });

  it('shows the truth beside the predictions when the file holds it', async () => {
    let sent: unknown;
    const columns = [
      { name: 'x', type: 'numeric' },
      { name: 'code', type: 'categorical' },
      { name: 'digit', type: 'numeric' },
    ];
    const dataset = { id: 'd', name: 'a.csv', rowCount: 2, columns };
    await serve({
      [`GET /v1/runs/${run.id}`]: (_request, response) => sendJson(response, 200, run),
      'GET /v1/datasets/0199c0de-0000-7000-8000-00000000000d': (_request, response) =>
        sendJson(response, 200, dataset),
      [`POST /v1/runs/${run.id}/predictions`]: (_request, response, body) => {
        sent = JSON.parse(body);
        const predictions = ['4', '9'].map((value) => ({ value, probabilities: { [value]: 0.75 } }));
        sendJson(response, 200, { predictions });
      },
    });
    const data = write('rows.csv', 'x,code,digit,extra\n1.5,07,4,a\n2,08,5,b\n3,09,6,c\n');
    const { exitCode, out } = await trainyard(['predict', run.id, '--data', data, '--limit', '2']);
    expect(exitCode).toBe(0);
    expect(sent).toEqual({
      rows: [
        { x: 1.5, code: '07' },
        { x: 2, code: '08' },
      ],
    });
    expect(out).toMatch(/1 +4 +0\.7500 +4\n/);
    expect(out).toContain('1 of 2 as in the file');
  });

  it('saves the weights whole', async () => {
    await serve({
      [`GET /v1/runs/${run.id}`]: (_request, response) => sendJson(response, 200, run),
      [`GET /v1/runs/${run.id}/weights`]: (_request, response) => {
        response.writeHead(200, { etag: '"abc"' });
        response.end(Buffer.from([1, 2, 3]));
      },
    });
    const path = join(folder, 'w.safetensors');
    expect(await trainyard(['weights', run.id, '-o', path])).toMatchObject({ exitCode: 0 });
    expect([...readFileSync(path)]).toEqual([1, 2, 3]);
  });
});

describe('show', () => {
  it('prints the results by part, and the confusion matrix', async () => {
    const confusionMatrix = {
      part: 'test',
      labels: ['yes', 'no'],
      counts: [
        [3, 0],
        [1, 4],
      ],
    };
    const results = { loss: 0.1, validationLoss: 0.2, testLoss: null, confusionMatrix };
    await serve({
      [`GET /v1/runs/${run.id}`]: (_request, response) =>
        sendJson(response, 200, runJson({ status: 'succeeded', results, later: 'field' })),
    });
    const { out } = await trainyard(['show', run.id]);
    expect(out).toContain('  training    0.1000\n  validation  0.2000\n  test             –\n');
    expect(out).toContain('       yes  no\n  yes    3   ·\n   no    1   4\n');
    const { out: json } = await trainyard(['show', run.id, '--json']);
    expect(JSON.parse(json)).toMatchObject({ later: 'field', results });
  });

  it.each([
    [{ seconds: 90, epochs: 20 }, '1 min 30 s of training or 20 epochs'],
    [{ seconds: 0.02 }, '0.02 s of training'],
    [{ epochs: 1 }, '1 epoch'],
  ])('says that the run has spent its budget of %o', async (budget, words) => {
    const spec = { data: { dataset: 'd', target: 't' }, training: { budget } };
    const answer = runJson({ status: 'succeeded', stopReason: 'budget', spec });
    await serve({ [`GET /v1/runs/${run.id}`]: (_request, response) => sendJson(response, 200, answer) });
    const { out } = await trainyard(['show', run.id]);
    expect(out).toContain(`  status   succeeded (budget)\n  epochs   0 of 3\n  budget   ${words}\n`);
  });
});

describe('a service that does not help', () => {
  it('says how to start it when nothing answers', async () => {
    const gone = await serve({});
    await gone.close();
    const { exitCode, err } = await trainyard(['runs']);
    expect(exitCode).toBe(1);
    expect(err).toContain('nothing listens there');
    expect(err).toContain('trainyard up');
  });

  it('names the key that was refused', async () => {
    await serve({
      'GET /v1/runs': (_request, response) => sendJson(response, 401, { title: 'Unauthorized' }),
    });
    const { exitCode, err } = await trainyard(['runs']);
    expect(exitCode).toBe(1);
    expect(err).toContain('refused the key from TRAINYARD_API_KEY');
    expect(err).not.toContain('ty_test');
  });

  it('says so when it does not understand the answer', async () => {
    await serve({ [`GET /v1/runs/${run.id}`]: (_request, response) => sendJson(response, 200, { id: 5 }) });
    const { exitCode, err } = await trainyard(['show', run.id]);
    expect(exitCode).toBe(1);
    expect(err).toContain('does not understand (id)');
  });

  it('copes with an answer that is not its own', async () => {
    await serve({
      'GET /v1/runs': (_request, response) => {
        response.writeHead(502);
        response.end('<html>bad gateway</html>');
      },
    });
    expect((await trainyard(['runs'])).err).toContain('502');
  });
});
