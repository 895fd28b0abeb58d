// The built service as it runs in production, for measurements: on its embedded defaults, or on Redis and Postgres.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { packageRoot } from '../../../src/package-root.ts';
import { type Command, childrenOf, dataFolder, startCommand } from '../../flow/support/command.ts';
import { until } from '../../flow/support/lifecycle.ts';
import { freePort } from '../../support/free-port.ts';

export interface MeasuredService {
  readonly url: string;
  readonly headers: { readonly authorization: string };
  /** By name: api, worker, postgres and, where there is one, redis. */
  pids(): Record<string, number>;
  stop(): Promise<void>;
}

export const redisIsThere = spawnSync('redis-server', ['--version']).status === 0;

/** `trainyard up`; with `redis`, a Redis server of its own carries the tickets. */
export async function startMeasured({
  redis = false,
  env = {},
}: {
  redis?: boolean;
  env?: Record<string, string>;
} = {}): Promise<MeasuredService> {
  const data = dataFolder();
  const redisServer = redis ? await startRedis(data.path) : null;
  const up = startCommand('src/cli/main.js', ['up', '--port', '0'], {
    DATA_DIR: data.path,
    ...env,
    ...(redisServer !== null && { REDIS_URL: redisServer.url }),
  });
  const stop = async () => {
    up.child.kill('SIGTERM');
    await up.exitCode;
    redisServer?.child.kill('SIGKILL');
    data.remove();
  };
  try {
    const url = await address(up);
    const postmaster = () => readFileSync(join(data.path, 'postgres', 'data', 'postmaster.pid'), 'utf8');
    const child = (script: string) => childrenOf(up.child.pid ?? 0, script)[0] ?? 0;
    return {
      url,
      headers: { authorization: `Bearer ${readFileSync(join(data.path, 'admin-key'), 'utf8').trim()}` },
      pids: () => ({
        api: child('server.js'),
        worker: child('trainer.js'),
        postgres: Number(postmaster().split('\n')[0]),
        ...(redisServer !== null && { redis: redisServer.child.pid ?? 0 }),
      }),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function address(up: Command): Promise<string> {
  const listens = /listens on (http:\/\/127\.0\.0\.1:\d+)/;
  const found = await until(
    () => listens.exec(up.output())?.[1] ?? (up.child.exitCode !== null ? 'ended' : null),
    'the service',
    120_000,
  );
  if (found === 'ended') throw new Error(up.output());
  return found;
}

async function startRedis(folder: string): Promise<{ child: ChildProcess; url: string }> {
  const port = await freePort();
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--appendonly', 'yes', '--dir', folder];
  return { child: spawn('redis-server', args, { stdio: 'ignore' }), url: `redis://127.0.0.1:${port}` };
}

const examples = join(packageRoot(), 'examples');

export async function uploadIris({ url, headers }: MeasuredService): Promise<string> {
  const csv = readFileSync(join(examples, 'data', 'iris.csv'));
  return post(`${url}/v1/datasets?name=iris`, { ...headers, 'content-type': 'text/csv' }, csv);
}

/** The iris example's request for that dataset, as JSON. */
export function irisRequest(dataset: string, epochs: number): string {
  const spec = JSON.parse(readFileSync(join(examples, 'iris.json'), 'utf8'));
  return JSON.stringify({
    ...spec,
    data: { ...spec.data, dataset },
    training: { ...spec.training, epochs },
  });
}

export function submitRun({ url, headers }: MeasuredService, body: string): Promise<string> {
  return post(`${url}/v1/runs`, { ...headers, 'content-type': 'application/json' }, body);
}

/** The created thing's id. */
async function post(url: string, headers: Record<string, string>, body: string | Buffer): Promise<string> {
  const { status, text } = await ask(url, { method: 'POST', headers, body });
  if (status !== 201) throw new Error(text);
  return JSON.parse(text).id;
}

const agent = new Agent({ keepAlive: true });

/** `fetch` would take as much processor time as the service does. */
export function ask(
  url: string,
  { method = 'GET', headers, body }: { method?: string; headers: object; body?: string | Buffer },
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const asked = request(url, { method, agent, headers: { ...headers, ...length } }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
      answer.on('error', reject);
    });
    asked.on('error', reject).end(body);
  });
}
