// Every command against a service started by `trainyard up`.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/package-root.ts';
import { type Command, dataFolder, startCommand } from './support/command.ts';
import { until } from './support/lifecycle.ts';

const data = dataFolder();
const examples = join(packageRoot(), 'examples');
const spec = join(examples, 'iris.json');
const csv = join(examples, 'data', 'iris.csv');
let up: Command;

const start = (...args: string[]) =>
  startCommand('src/cli/main.js', args, { DATA_DIR: data.path, LOG_LEVEL: 'warn' });

async function trainyard(...args: string[]) {
  const command = start(...args);
  return { exitCode: await command.exitCode, output: command.output() };
}

beforeAll(async () => {
  up = start('up', '--port', '0');
  await until(() => up.output().includes('listens on') || up.child.exitCode !== null, 'the service', 120_000);
});
afterAll(async () => {
  up.child.kill('SIGKILL');
  await up.exitCode;
  data.remove();
});

describe('the command', () => {
  it('trains, and leaves with 0', async () => {
    const { exitCode, output } = await trainyard('train', spec, '--data', csv);
    expect(exitCode, output).toBe(0);
    expect(output).toMatch(/iris: succeeded, 60 epochs/);
    expect(output).toMatch(/test +\S+ +(0\.[89]|1)/);
  });

  it('shows, lists and logs the run', async () => {
    const shown = await trainyard('show', 'last');
    expect(shown.exitCode, shown.output).toBe(0);
    expect(shown.output).toMatch(/status +succeeded/);
    expect(shown.output).toMatch(/weights +sha256 [0-9a-f]{64}/);
    expect(shown.output).toContain('Confusion on the test part');
    const listed = await trainyard('runs', '--status', 'succeeded', '--json');
    expect(JSON.parse(listed.output)).toHaveLength(1);
    const logged = await trainyard('logs', 'last');
    expect(logged.output.trimEnd().split('\n')).toHaveLength(61);
  });

  it('verifies the run', async () => {
    const all = await trainyard('verify', 'last');
    expect(all.exitCode, all.output).toBe(0);
    expect(all.output).toContain('iris: equal. Trained again, epochs 1 to 60 gave the same bits.');
    const part = await trainyard('verify', 'last', '--from', '2', '--to', '3', '--json');
    expect(JSON.parse(part.output.split('\n').at(-2) ?? '')).toMatchObject({ fromEpoch: 2, toEpoch: 3 });
    const none = await trainyard('verify', 'last', '--to', '61');
    expect(none.exitCode).toBe(1);
    expect(none.output).toContain('#/toEpoch');
  });

  it('predicts raw rows beside the truth', async () => {
    const { exitCode, output } = await trainyard('predict', 'last', '--data', csv, '--limit', '5');
    expect(exitCode, output).toBe(0);
    expect(output).toMatch(/ 1 +setosa +\d\.\d+ +setosa/);
    expect(output).toContain('5 of 5 as in the file');
  });

  it('saves weights that are safetensors', async () => {
    const path = join(data.path, 'iris.safetensors');
    const { exitCode, output } = await trainyard('weights', 'last', '-o', path);
    expect(exitCode, output).toBe(0);
    const bytes = readFileSync(path);
    const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString());
    expect(header['layers.0.weight'].shape).toEqual([16, 4]);
  });

  it('leaves with 1 when the run diverged, its numbers readable', async () => {
    const { exitCode, output } = await trainyard(
      ...['train', spec, '--data', csv, '--set', 'optimizer={"kind":"sgd","learningRate":1e38}'],
    );
    expect(exitCode, output).toBe(1);
    expect(output).toContain('failed (diverged)');
    expect((await trainyard('logs', 'last')).exitCode).toBe(0);
  });

  it('names the field of a wrong spec', async () => {
    const { exitCode, output } = await trainyard(
      ...['train', spec, '--data', csv, '--set', 'optimizer.kind=adm', '--set', 'training.epochs=0'],
    );
    expect(exitCode).toBe(1);
    expect(output).toContain('#/training/epochs');
    expect(output).toContain('adam');
  });

  it('names row and column of a wrong file', async () => {
    const bad = join(data.path, 'bad.csv');
    writeFileSync(bad, 'a,b\n1,2\n3\n');
    const { exitCode, output } = await trainyard('train', spec, '--data', bad);
    expect(exitCode).toBe(1);
    expect(output).toMatch(/(row|line) 3/i);
  });

  it('pauses, resumes and cancels a run that trains', async () => {
    const detached = await trainyard(
      ...['train', spec, '--data', csv, '--set', 'training.epochs=1000000', '--detach'],
    );
    expect(detached.exitCode, detached.output).toBe(0);
    const following = start('logs', 'last', '--follow');
    await until(() => following.output().includes('/1000000'), 'an epoch');
    expect(await trainyard('pause', 'last')).toMatchObject({
      exitCode: 0,
      output: expect.stringMatching(/^iris: paus(ing|ed)\n$/),
    });
    await until(() => following.output().includes('paused: `trainyard resume`'), 'the pause');
    expect(await trainyard('resume', 'last')).toMatchObject({
      exitCode: 0,
      output: expect.stringMatching(/^iris: (queued|running)\n$/),
    });
    await until(() => /paused[\s\S]*\d\/1000000/.test(following.output()), 'another epoch');
    const cancelled = await trainyard('cancel', 'last');
    expect(cancelled.exitCode, cancelled.output).toBe(0);
    expect(await following.exitCode).toBe(1);
    expect(following.output()).toContain('cancelled');
  });

  it('refuses a second service on the same folder', async () => {
    const { exitCode, output } = await trainyard('up', '--port', '0');
    expect(exitCode).toBe(1);
    expect(output).toContain('already runs');
  });

  it('stops everything on one Ctrl-C', async () => {
    up.child.kill('SIGINT');
    expect(await up.exitCode, up.output()).toBe(0);
    expect(existsSync(join(data.path, 'postgres', 'data', 'postmaster.pid'))).toBe(false);
    const { exitCode, output } = await trainyard('runs');
    expect(exitCode).toBe(1);
    expect(output).toContain('trainyard up');
  });
});
