import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { trainingMemory } from '../../../workers/process-memory.ts';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'trainyard-cgroup-'));
  mkdirSync(join(root, 'outer', 'inner'), { recursive: true });
  writeFileSync(join(root, 'outer', 'memory.max'), '100000000\n');
  writeFileSync(join(root, 'outer', 'inner', 'memory.max'), 'max\n');
});
afterAll(() => rmSync(root, { recursive: true }));

it.each([
  ['/', totalmem()],
  ['/outer', 100_000_000],
  ['/outer/inner', 100_000_000],
  ['/gone', totalmem()],
])('is four fifths of what the group %s may have', (group, most) => {
  expect(trainingMemory(root, group)).toBe(Math.floor(most * 0.8));
});

it('takes the limit of a namespace’s own root', () => {
  writeFileSync(join(root, 'memory.max'), '50000000\n');
  expect(trainingMemory(root, '/')).toBe(40_000_000);
});
