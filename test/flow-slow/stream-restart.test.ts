// A reader of events outlives the API that it reads from: it is told to come back, and comes back to what it missed.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createKey } from '../../src/keys/key.ts';
import { packageRoot } from '../../src/package-root.ts';
import { type Command, dataFolder, startCommand } from '../flow/support/command.ts';
import { type RunDatabase, runDatabase, until } from '../flow/support/lifecycle.ts';
import { endWorker, startWorker } from '../flow/support/training.ts';
import { freePort } from '../support/free-port.ts';

const restarts = 3;
const key = createKey();
const headers = { authorization: `Bearer ${key}` };
const data = dataFolder();
let at: RunDatabase;
let worker: Command;
let api: Command;
let url: string;

async function startApi(port: number): Promise<Command> {
  const started = startCommand('src/server.js', [], {
    DATABASE_URL: at.url,
    DATA_DIR: data.path,
    API_KEY: key,
    PORT: String(port),
    LOG_LEVEL: 'warn',
  });
  await until(() => {
    if (started.child.exitCode !== null) throw new Error(`the API ended: ${started.output()}`);
    return started.output().includes('listens on');
  }, 'the API to listen');
  return started;
}

beforeAll(async () => {
  at = await runDatabase(process.env.TEST_DATABASE_URL ?? '');
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  [api, worker] = await Promise.all([startApi(port), startWorker(at)]);
});
afterAll(async () => {
  await Promise.all([endWorker(worker, 'SIGKILL'), endWorker(api, 'SIGKILL')]);
  await at.drop();
  data.remove();
});

async function post(path: string, type: string, body: string): Promise<string> {
  const answer = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { ...headers, 'content-type': type },
    body,
  });
  expect(answer.status, await answer.clone().text()).toBe(201);
  return ((await answer.json()) as { id: string }).id;
}

async function submitDigits(): Promise<string> {
  const examples = join(packageRoot(), 'examples');
  const csv = readFileSync(join(examples, 'data', 'digits.csv'), 'utf8');
  const dataset = await post('/v1/datasets?name=digits', 'text/csv', csv);
  const spec = JSON.parse(readFileSync(join(examples, 'digits.json'), 'utf8'));
  spec.data.dataset = dataset;
  spec.training = { epochs: 100_000, batchSize: 8 };
  return post('/v1/runs', 'application/json', JSON.stringify(spec));
}

/** Everything up to the stream's end. `onIds` is called with how many events there were so far. */
async function read(path: string, lastId: number, onIds: (count: number) => void): Promise<string> {
  const answer = await fetch(`${url}${path}`, {
    headers: {
      ...headers,
      accept: 'text/event-stream',
      ...(lastId > 0 && { 'last-event-id': String(lastId) }),
    },
  });
  expect(answer.status).toBe(200);
  let text = '';
  const decoder = new TextDecoder();
  for await (const piece of answer.body ?? []) {
    text += decoder.decode(piece, { stream: true });
    onIds(idsIn(text).length);
  }
  return text;
}

const idsIn = (text: string): number[] => [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));

it('a stream’s reader misses nothing and sees nothing twice while the API is restarted, time after time', async () => {
  const id = await submitDigits();
  const path = `/v1/runs/${id}/events`;
  const seen: number[] = [];
  for (let restart = 0; restart < restarts; restart++) {
    let told = false;
    const text = await read(path, seen.at(-1) ?? 0, (count) => {
      if (count < 5 || told) return;
      told = true;
      api.child.kill('SIGTERM');
    });
    // Whole events only, and the word to come back is the last one.
    expect(text).toMatch(/\n\nretry: \d+\n\n$/);
    expect(text).not.toContain('event: done');
    seen.push(...idsIn(text));
    expect(await api.exitCode).toBe(0);
    api = await startApi(Number(new URL(url).port));
  }
  let cancelled: Promise<unknown> | null = null;
  const rest = await read(path, seen.at(-1) ?? 0, (count) => {
    if (count >= 5) cancelled ??= fetch(`${url}/v1/runs/${id}/cancel`, { method: 'POST', headers });
  });
  await cancelled;
  expect(rest).toContain('event: done');
  seen.push(...idsIn(rest));
  expect(seen).toEqual(seen.map((_, i) => i + 1));
  expect(seen.length).toBeGreaterThan(5 * restarts);
});
