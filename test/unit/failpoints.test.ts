import { spawnSync } from 'node:child_process';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { armedFailpoints, armFailpoints, failpoint, parseFailpoints } from '../../src/failpoints.ts';
import { compileEntry } from '../support/compile-entry.ts';

const compiled = compileEntry('src/failpoints.ts');
afterAll(() => compiled.remove());
afterEach(() => armFailpoints([]));

/** How a thread that takes so many steps ends. */
function endOfThread(steps: number): Promise<string> {
  const worker = new Worker(new URL('./failpoints-fixture.mjs', import.meta.url), {
    workerData: { module: compiled.url.href, failpoints: armedFailpoints(), steps },
    resourceLimits: { maxOldGenerationSizeMb: 32 },
  });
  return new Promise((resolve) => {
    worker.on('message', resolve);
    worker.on('error', (error: Error & { code?: string }) =>
      resolve(`${error.name} ${error.code ?? ''}`.trim()),
    );
  });
}

describe('a failpoint', () => {
  it('does nothing when none is armed, and nothing at another point', () => {
    failpoint('claim.after');
    armFailpoints(parseFailpoints('claim.before=throw'));
    failpoint('claim.after');
    expect(() => failpoint('claim.before')).toThrow('the failpoint claim.before throws');
  });

  it('acts at its time alone', () => {
    armFailpoints(parseFailpoints('epochs.before=throw@3'));
    failpoint('epochs.before');
    failpoint('epochs.before');
    expect(() => failpoint('epochs.before')).toThrow();
    failpoint('epochs.before');
  });

  it('counts for the process and its threads together', async () => {
    armFailpoints(parseFailpoints('thread.step=throw@5'));
    expect(await endOfThread(4)).toBe('passed');
    expect(() => failpoint('thread.step')).toThrow();
    expect(await endOfThread(1)).toBe('passed');
  });

  it.each([
    ['throw', 'Error'],
    ['trap', 'RuntimeError'],
    ['exhaust', 'Error ERR_WORKER_OUT_OF_MEMORY'],
  ])('ends a thread by %s', async (action, end) => {
    armFailpoints(parseFailpoints(`thread.step=${action}`));
    expect(await endOfThread(1)).toBe(end);
  });

  it('holds a thread up for ever', async () => {
    armFailpoints(parseFailpoints('thread.step=loop@2'));
    const worker = new Worker(new URL('./failpoints-fixture.mjs', import.meta.url), {
      workerData: { module: compiled.url.href, failpoints: armedFailpoints(), steps: 2 },
    });
    const passed = armedFailpoints()?.passed ?? new Int32Array();
    await expect.poll(() => Atomics.load(passed, 0)).toBe(2);
    expect(await worker.terminate()).toBe(1);
  });

  it.each(['kill', 'stop'] as const)('ends its process by %s before it does anything else', (action) => {
    const program = `
      import { armFailpoints, failpoint, parseFailpoints } from ${JSON.stringify(compiled.url.href)};
      armFailpoints(parseFailpoints('claim.after=${action}'));
      failpoint('claim.after');
      console.log('went on');`;
    const args = ['--input-type=module', '--eval', program];
    // A stopped process is killed when its time is over.
    const timeout = action === 'stop' ? 3_000 : 60_000;
    const ended = spawnSync(process.execPath, args, { encoding: 'utf8', timeout, killSignal: 'SIGKILL' });
    expect(ended.signal).toBe('SIGKILL');
    expect(ended.stdout).toBe('');
    expect(ended.error === undefined).toBe(action === 'kill');
  });
});

describe('FAILPOINTS', () => {
  it('names a point, an action and a time', () => {
    expect(parseFailpoints('')).toEqual([]);
    expect(parseFailpoints('claim.after=kill,thread.step=loop@12')).toEqual([
      { name: 'claim.after', action: 'kill', at: 1 },
      { name: 'thread.step', action: 'loop', at: 12 },
    ]);
  });

  it.each([
    ['claim', 'name=action or name=action@n'],
    ['claim.never=kill', 'a name of submit.inserted,'],
    ['toString=kill', 'a name of'],
    ['claim.after=kill@0', 'name=action@n'],
    ['claim.after=kill,', 'several with commas'],
    ['claim.after=burn', 'claim.after= with an action of kill, stop, throw'],
    ['claim.after=loop', 'claim.after= with an action of kill, stop, throw'],
    ['thread.step=burn', 'trap, loop, exhaust'],
  ])('says what would be right instead of %s', (text, wanted) => {
    expect(() => parseFailpoints(text)).toThrow(wanted);
  });
});
