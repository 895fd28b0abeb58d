import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Config, childEnvironment, loadConfig } from '../../src/config.ts';
import { findByCommandLine, isPidAlive } from '../../src/embedded/process-identity.ts';
import { createLog } from '../../src/log.ts';
import { packageRoot } from '../../src/package-root.ts';
import { type RunningService, startService } from '../../src/supervisor.ts';
import { until } from '../flow/support/lifecycle.ts';

const log = createLog('silent', 'test');

let dataDir: string;
let services: RunningService[];
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'trainyard-supervisor-'));
  services = [];
});
afterEach(async () => {
  await Promise.all(services.map((service) => service.stop()));
  await nothingIsLeft();
  rmSync(dataDir, { recursive: true, force: true });
});

function settings(extra: Record<string, string> = {}): Config {
  return loadConfig({ DATA_DIR: dataDir, PORT: '0', WORKER_SLOTS: '1', LOG_LEVEL: 'warn', ...extra });
}

async function start(config: Config): Promise<RunningService> {
  const service = await startService(config, { log });
  services.push(service);
  return service;
}

async function nothingIsLeft(): Promise<void> {
  const id = readFileSync(join(dataDir, 'postgres', 'id'), 'utf8').trim();
  await until(() => findByCommandLine(`trainyard-${id}`).length === 0, 'the end of Postgres');
}

async function statusOf(url: string, key?: string): Promise<number | null> {
  try {
    const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
    return (await fetch(url, { headers })).status;
  } catch {
    return null;
  }
}

describe('startService', () => {
  it('serves with the key it made, and leaves no process when it is stopped', async () => {
    const service = await start(settings());
    expect(await statusOf(`${service.url}/readyz`)).toBe(200);
    expect(await statusOf(`${service.url}/v1/runs`, service.apiKey)).toBe(200);
    expect(await statusOf(`${service.url}/v1/runs`)).toBe(401);
    expect(readFileSync(join(dataDir, 'admin-key'), 'utf8').trim()).toBe(service.apiKey);
    const { api, worker } = service.pids();
    await service.stop();
    expect([api, worker].map((pid) => pid !== null && isPidAlive(pid))).toEqual([false, false]);
    await nothingIsLeft();
    const again = await start(settings());
    expect(again.apiKey).toBe(service.apiKey);
    expect(await statusOf(`${again.url}/v1/runs`, service.apiKey)).toBe(200);
  });

  it('starts a killed child again, the API at the address it had', async () => {
    const service = await start(settings());
    const before = service.pids();
    for (const pid of [before.api, before.worker]) {
      process.kill(pid ?? 0, 'SIGKILL');
    }
    await until(() => {
      const { api, worker } = service.pids();
      return api !== null && worker !== null && api !== before.api && worker !== before.worker;
    }, 'new children');
    await until(async () => (await statusOf(`${service.url}/readyz`)) === 200, 'the API at its old address');
  });

  it('says in one line why it cannot start, and leaves nothing running', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    try {
      await expect(startService(settings({ PORT: String(port) }), { log })).rejects.toThrow(
        /^trainyard api: .*address already in use/,
      );
      await nothingIsLeft();
    } finally {
      other.close();
    }
  });

  it('leaves nothing behind when it is killed, and starts again', async () => {
    const script = join(import.meta.dirname, '..', 'flow', 'support', 'hold-service.mjs');
    const supervisor = spawn(process.execPath, [script, join(packageRoot(), 'dist')], {
      env: childEnvironment(settings()),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(createInterface({ input: supervisor.stdout }), 'line');
    const { url, apiKey, pids } = JSON.parse(line);
    supervisor.kill('SIGKILL');
    await until(() => !isPidAlive(pids.api) && !isPidAlive(pids.worker), 'the end of the children');
    await nothingIsLeft();
    expect(await statusOf(`${url}/readyz`)).toBeNull();
    const service = await start(settings());
    expect(await statusOf(`${service.url}/v1/runs`, apiKey)).toBe(200);
  });
});
