// The quickstart as a person runs it: at first, again, and after everything was killed.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Command, dataFolder, killEverything, startCommand } from '../flow/support/command.ts';
import { until } from '../flow/support/lifecycle.ts';

const data = dataFolder();
afterAll(() => data.remove());

const startQuickstart = () =>
  startCommand('src/cli/quickstart.js', [], { DATA_DIR: data.path, NO_COLOR: '1' });

async function expectGood(quickstart: Command): Promise<void> {
  const exitCode = await quickstart.exitCode;
  const output = quickstart.output();
  expect(exitCode, output).toBe(0);
  const accuracy = Number(/Held-out accuracy: ([\d.]+) %/.exec(output)?.[1]);
  expect(accuracy).toBeGreaterThanOrEqual(97);
  // The rows it shows are those that the service held out: predicting them gives the same accuracy.
  const [, right, rows] = /(\d+) of the (\d+) test rows are predicted right/.exec(output) ?? [];
  expect((Number(right) / Number(rows)) * 100).toBeCloseTo(accuracy, 1);
  expect(existsSync(join(data.path, 'quickstart', 'digits.safetensors'))).toBe(true);
  expect(existsSync(join(data.path, 'service.json'))).toBe(false);
  expect(existsSync(join(data.path, 'postgres', 'data', 'postmaster.pid'))).toBe(false);
  expect(output).toContain('npm start');
  // Where the data lies is not of its choosing.
  const lines = output.replaceAll(data.path, '.trainyard').split('\n');
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
}

describe('the quickstart', () => {
  it('works on an empty folder', () => expectGood(startQuickstart()));

  it('works a second time', () => expectGood(startQuickstart()));

  it('works after everything was killed in the middle of the training', async () => {
    const victim = startQuickstart();
    await until(() => /\d+\/\d+ +0\./.test(victim.output()) || victim.child.exitCode !== null, 'an epoch');
    expect(victim.child.exitCode, victim.output()).toBeNull();
    killEverything(victim.child.pid ?? 0, data.path);
    await victim.exitCode;
    await expectGood(startQuickstart());
  });
});
