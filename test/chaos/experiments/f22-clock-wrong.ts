// F22: a worker's clock is an hour fast, another's an hour slow.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seedOf } from '../batches.ts';
import { settle } from '../checker.ts';
import type { Experiment } from '../experiment.ts';

const settleMsMax = 240_000;
/** Ahead of everything else in the process, it shifts what JavaScript takes for the time of day. */
const shiftedDate = (ms: number) => `
  const Real = Date;
  globalThis.Date = class Date extends Real {
    constructor(...given) { given.length === 0 ? super(Real.now() + ${ms}) : super(...given); }
    static now() { return Real.now() + ${ms}; }
  };`;

export const clockWrong: Experiment = {
  id: 'F22',
  title: 'a worker’s clock is an hour wrong (a hook shifts Date)',
  queues: ['redis', 'postgres'],
  repetitions: { quick: 4, full: 50 },
  boundSeconds: null,
  run: async ({ world, repetitions }) => {
    const folder = mkdtempSync(join(tmpdir(), 'trainyard-chaos-clock-'));
    try {
      await world.startApi();
      await Promise.all(
        [3_600_000, -3_600_000].map((ms) => {
          const hook = join(folder, `${ms}.mjs`);
          writeFileSync(hook, shiftedDate(ms));
          return world.startWorker({ execArgv: ['--import', hook] });
        }),
      );
      for (let repetition = 0; repetition < repetitions; repetition++) {
        await world.client.submit(repetition % 2 === 0 ? 'steady' : 'brief', seedOf(repetition));
      }
      for (const late of await settle(world, settleMsMax)) world.violation(late);
      const claims = await world.query('SELECT 1 FROM "Run" WHERE fence > 1');
      if (claims.length > 0) world.violation(`${claims.length} runs were taken from a worker that was well`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
