import { expect, it } from 'vitest';
import { createMemoryBudget } from '../../../workers/memory-budget.ts';

const bytes = (n: number) => n;

it('tells each claim what those before have left, however they overlap', async () => {
  const budget = createMemoryBudget(100);
  const seen: number[] = [];
  const claim = (need: number | null) =>
    budget.claim(async ({ all, free }) => {
      expect(all).toBe(100);
      seen.push(free);
      await Promise.resolve();
      return need;
    }, bytes);
  await Promise.all([claim(30), claim(null), claim(20), claim(null)]);
  expect(seen).toEqual([100, 70, 70, 50]);
  budget.release(30);
  await claim(null);
  expect(seen.at(-1)).toBe(80);
});

it('goes on after a claim that failed', async () => {
  const budget = createMemoryBudget(100);
  await expect(budget.claim(() => Promise.reject(new Error('away')), bytes)).rejects.toThrow('away');
  expect(await budget.claim(async ({ free }) => free, bytes)).toBe(100);
});
