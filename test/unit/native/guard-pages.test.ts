/**
 * Machine code touches nothing beside a plan's buffers: what it would touch there ends the process that tries.
 * GUARDED_PLANS sets how many networks, GUARDED_FROM the first; the project unit-slow goes on where these end.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CompiledEntry, compileEntry } from '../../support/compile-entry.ts';
import { native } from '../engine/codegen/native.ts';

const COUNT = Number(process.env.GUARDED_PLANS ?? 15);
const FROM = Number(process.env.GUARDED_FROM ?? 0);
const TIMEOUT_MS = 60_000 + COUNT * 2_000;

let fixture: CompiledEntry;
beforeAll(() => {
  fixture = compileEntry('test/unit/native/guard-fixture.ts');
}, 60_000);
afterAll(() => fixture.remove());

const run = (side: string, first: number, count: number, forbidden: string) => {
  const command = [fileURLToPath(fixture.url), side, String(first), String(count), forbidden];
  const { signal, stdout, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8', env: {} });
  return { signal, stdout, stderr };
};

describe.runIf(Object.keys(native).length > 0)('machine code in guarded memory', () => {
  it.each(['start', 'end'])(
    'stays inside buffers that %s with a page',
    (side) => {
      const stayed = { signal: null, stdout: `${COUNT} networks`, stderr: '' };
      expect(run(side, FROM, COUNT, 'nothing')).toEqual(stayed);
    },
    TIMEOUT_MS,
  );

  it(
    'does not get away with touching what is forbidden',
    () => {
      expect(run('end', 0, 1, 'work')).toMatchObject({ signal: 'SIGSEGV', stdout: '' });
    },
    TIMEOUT_MS,
  );
});
