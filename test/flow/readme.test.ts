// The README's curl commands, run word for word against a real service.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/package-root.ts';
import { type Command, dataFolder, startCommand } from './support/command.ts';
import { until } from './support/lifecycle.ts';

const data = dataFolder();
let up: Command;
let url = '';

beforeAll(async () => {
  up = startCommand('src/cli/main.js', ['up', '--port', '0'], { DATA_DIR: data.path, LOG_LEVEL: 'warn' });
  url = await until(() => /listens on (\S+)/.exec(up.output())?.[1] ?? null, 'the service', 120_000);
});
afterAll(async () => {
  up.child.kill('SIGTERM');
  await up.exitCode;
  data.remove();
});

describe('the README', () => {
  it('shows curl commands that work', async () => {
    const readme = readFileSync(join(packageRoot(), 'README.md'), 'utf8');
    const shown = /### Over HTTP\n\n```sh\n(.*?)```/s.exec(readme)?.[1] ?? '';
    const script = shown
      .replace('http://127.0.0.1:8080', url)
      .replace('.trainyard/admin-key', join(data.path, 'admin-key'))
      .replace('-o iris.safetensors', `-o ${join(data.path, 'iris.safetensors')}`);
    expect(script).toContain(url);
    expect(script).toContain(data.path);
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: packageRoot(),
    });
    expect(stdout).toContain('event: done');
    expect(stdout).toContain('"status":"succeeded"');
    expect(stdout).toContain('"value":"setosa"');
    expect(readFileSync(join(data.path, 'iris.safetensors')).toString('latin1')).toContain('layers.0.weight');
  });
});
