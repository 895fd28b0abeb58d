/** What the JavaScript peers share: the jobs, and an epoch's order of rows. */
import { readFileSync } from 'node:fs';

export const ROWS = 10_000;

export const readJobs = () => JSON.parse(readFileSync(new URL('../jobs.json', import.meta.url), 'utf8'));

/** The numbers 0 … count − 1 in a random order (Fisher and Yates). */
export function shuffled(count) {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    const held = order[i];
    order[i] = order[j];
    order[j] = held;
  }
  return order;
}

export const randomFloats = (count, draw) => Float32Array.from({ length: count }, draw);
