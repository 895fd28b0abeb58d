import { defineConfig } from 'vitest/config';

// check: architecture and drift; unit: pure code; avx512: machine code on an emulated processor (wants bochs);
// http: one file per route; flow: real processes on the embedded defaults; flow-slow: what survives kills, outages and
// restarts; flow-redis: on Redis and Postgres with two workers (wants redis-server and python3); bench: timings, on an
// idle machine.
const project = (name: string, extra: object = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], ...extra },
});

const globalSetup = 'test/support/postgres.ts';

export default defineConfig({
  test: {
    projects: [
      project('bench', { testTimeout: 600_000, fileParallelism: false }),
      project('check', { testTimeout: 60_000 }),
      project('unit', { testTimeout: 60_000, hookTimeout: 60_000 }),
      project('avx512', { testTimeout: 180_000 }),
      project('http', { globalSetup, testTimeout: 30_000, hookTimeout: 120_000 }),
      project('flow', { testTimeout: 180_000, hookTimeout: 180_000, fileParallelism: false, globalSetup }),
      project('flow-slow', {
        testTimeout: 180_000,
        hookTimeout: 180_000,
        fileParallelism: false,
        globalSetup,
      }),
      project('flow-redis', {
        testTimeout: 180_000,
        hookTimeout: 180_000,
        fileParallelism: false,
        globalSetup,
      }),
    ],
  },
});
