import { expect, it } from 'vitest';
import { startHeartbeat } from '../../../workers/heartbeat.ts';

/** Beats every 100 ms. */
const pace = { leaseSeconds: 0.3, stallSeconds: 0.5 };

function watch(progress: () => number | null) {
  const seen = { beats: 0, stalls: 0 };
  const heartbeat = startHeartbeat({
    ...pace,
    renew: async () => {
      seen.beats++;
      return 'running';
    },
    progress,
    onWanted: () => undefined,
    onStalled: () => {
      seen.stalls++;
    },
    onError: () => undefined,
  });
  return { seen, heartbeat };
}

/** Everything in this process stands still, as after SIGSTOP. */
const freeze = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

it('takes a training that stands still for dead', async () => {
  const { seen, heartbeat } = watch(() => 7);
  await expect.poll(() => seen.stalls, { timeout: 5_000 }).toBeGreaterThan(0);
  heartbeat.stop();
});

it('does not take a training for dead because the whole process stood still', async () => {
  let steps = 1;
  const { seen, heartbeat } = watch(() => steps);
  await expect.poll(() => seen.beats).toBe(1);
  freeze(900);
  // The first beat after it comes before the training's next step.
  await expect.poll(() => seen.beats + seen.stalls).toBe(2);
  steps++;
  expect(seen.stalls).toBe(0);
  heartbeat.stop();
});

it('minds nothing while no step is expected', async () => {
  const { seen, heartbeat } = watch(() => null);
  await expect.poll(() => seen.beats, { timeout: 5_000 }).toBeGreaterThan(8);
  expect(seen.stalls).toBe(0);
  heartbeat.stop();
});
