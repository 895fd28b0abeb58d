import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// check: architecture and drift; unit: pure code; unit-slow: the oracle at full length, and more random networks; avx512:
// machine code on an emulated processor (wants bochs); http: one file per route; flow: real processes on the embedded
// defaults; flow-slow: what survives kills, outages and restarts; flow-redis: on Redis and Postgres with two workers
// (wants redis-server and python3); bench: timings, on an idle machine.
const project = (name: string, extra: object = {}) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    // Vitest would leave one core of two idle. Each process loads the modules once: no test changes any.
    maxWorkers: availableParallelism(),
    isolate: false,
    // What is polled for may have to wait for a core.
    expect: { poll: { timeout: 30_000 } },
    ...extra,
  },
});

const globalSetup = 'test/support/postgres.ts';
const processes = { globalSetup, testTimeout: 180_000, hookTimeout: 180_000 };
// What these take away from each other, time or memory, is part of what they look at.
const apart = { fileParallelism: false, maxWorkers: 1, isolate: true };

// Those that go through random networks go on where the project unit ends, at ten and fifteen.
const furtherNetworks = [
  'test/unit/engine/fuzz.test.ts',
  'test/unit/workers/crew-networks.test.ts',
  'test/unit/native/guard-pages.test.ts',
];
const further = { FUZZ_FROM: '10', FUZZ_PLANS: '50', GUARDED_FROM: '15', GUARDED_PLANS: '35' };

export default defineConfig({
  test: {
    projects: [
      project('bench', { testTimeout: 600_000, ...apart }),
      project('check', { testTimeout: 60_000 }),
      project('unit', { testTimeout: 60_000, hookTimeout: 60_000 }),
      project('unit-slow', {
        include: ['test/unit-slow/**/*.test.ts', ...furtherNetworks],
        env: further,
        testTimeout: 60_000,
        hookTimeout: 60_000,
      }),
      project('avx512', { testTimeout: 180_000 }),
      project('http', { globalSetup, testTimeout: 30_000, hookTimeout: 120_000 }),
      project('flow', processes),
      project('flow-slow', { ...processes, ...apart }),
      project('flow-redis', { ...processes, ...apart }),
    ],
  },
});
