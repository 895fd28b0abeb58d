import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findBreaches } from './architecture.ts';

const root = join(import.meta.dirname, '..', '..');

/** Every TypeScript file that ships, but the generated ones. */
function readSources(): Map<string, string> {
  const folders = ['src', 'workers', 'scripts'].filter((folder) => existsSync(join(root, folder)));
  const paths = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) =>
      join(folder, path).replaceAll('\\', '/'),
    ),
  );
  const wanted = paths.filter((path) => /\.tsx?$/.test(path) && !path.includes('/generated/'));
  return new Map(wanted.map((path) => [path, readFileSync(join(root, path), 'utf8')]));
}

describe('who may import whom', () => {
  it('holds in the whole source', () => {
    const sources = readSources();
    expect(sources.size).toBeGreaterThan(20);
    expect(findBreaches(sources)).toEqual([]);
  });

  it.each([
    ['src/engine/plan.ts', `import { readFile } from 'node:fs';`, 'the engine'],
    ['src/engine/plan.ts', `import type { Log } from '../log.ts';`, 'the engine'],
    ['src/engine/kinds/a.ts', `const x = await import('lodash');`, 'the engine'],
    ['src/server.ts', `import { openNative } from './native/native.ts';`, 'native code'],
    ['src/native/memory.ts', `import { find } from '../models/service.ts';`, 'native code'],
    ['workers/slots.ts', `import koffi from 'koffi';`, 'koffi'],
    ['src/runs/service.ts', `import { run } from '../../workers/slots.ts';`, 'src never imports workers'],
    ['src/runs/service.ts', `import { Prisma } from '../db/generated/client.ts';`, 'Prisma'],
    ['src/runs/service.ts', `export { PrismaPg } from '@prisma/adapter-pg';`, 'Prisma'],
    ['src/runs/store.ts', `import pg from 'pg';`, 'talk to pg'],
    ['workers/trainer.ts', `import { Worker } from 'bullmq';`, 'BullMQ'],
    ['src/http/sse.ts', `import { Redis } from 'ioredis';`, 'BullMQ'],
    ['src/runs/service.ts', `import { Worker } from 'node:worker_threads';`, 'threads'],
    ['src/models/routes.ts', `import { find } from '../runs/store.ts';`, 'through a service'],
    ['src/runs/service.ts', `import { runRoutes } from './routes.ts';`, 'do not know routes'],
    ['src/runs/lease-store.ts', `import { submit } from './service.ts';`, 'stores do not know'],
    ['src/server.ts', `import { say } from './cli/terminal.ts';`, 'command line'],
    ['src/runs/service.ts', `const key = process.env.API_KEY;`, 'process.env'],
    ['src/engine/codegen/a.ts', `const shift = Math.log2(4);`, 'promised bits'],
    ['src/runs/service.ts', `import { x } from '../../test/support/postgres.ts';`, 'imports no test'],
  ])('notices a breach in %s: %s', (path, text, rule) => {
    const breaches = findBreaches(new Map([[path, text]]));
    expect(breaches).toHaveLength(1);
    expect(breaches[0]).toContain(rule);
  });

  it('lets through what the rules allow', () => {
    const allowed = new Map([
      ['src/engine/spec.ts', `import { z } from 'zod'; import type { Plan } from './plan.ts';`],
      ['src/runs/lease-store.ts', `import { Prisma } from '../db/generated/client.ts';`],
      ['src/queue/queue.ts', `import { Queue } from 'bullmq'; import { Redis } from 'ioredis';`],
      [
        'workers/slots.ts',
        `import { Worker } from 'node:worker_threads'; import { openNative } from '../src/native/native.ts';`,
      ],
      [
        'src/native/memory.ts',
        `import koffi from 'koffi'; import { isas } from '../engine/codegen/x86/isa.ts';`,
      ],
      ['src/server.ts', `loadConfig(process.env); // import 'bullmq'`],
      ['src/app.ts', `import { runRoutes } from './runs/routes.ts';`],
    ]);
    expect(findBreaches(allowed)).toEqual([]);
  });

  it('notices a cycle, and not one of types alone', () => {
    const cycle = new Map([
      ['src/a/one.ts', `import { two } from './two.ts';`],
      ['src/a/two.ts', `export * from '../b/three.ts';`],
      ['src/b/three.ts', `import { one } from '../a/one.ts';`],
    ]);
    expect(findBreaches(cycle)).toEqual([
      'import cycle: src/a/one.ts → src/a/two.ts → src/b/three.ts → src/a/one.ts',
    ]);
    cycle.set('src/b/three.ts', `import type { One } from '../a/one.ts';`);
    expect(findBreaches(cycle)).toEqual([]);
  });
});
