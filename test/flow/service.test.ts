// The service on its embedded defaults, as `trainyard up` starts it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'vitest';
import { childrenOf, dataFolder, startCommand } from './support/command.ts';
import { until } from './support/lifecycle.ts';
import { itServesRuns } from './support/service-suite.ts';

describe('the service on its embedded defaults', () => {
  itServesRuns(
    async () => {
      const data = dataFolder();
      const up = startCommand('src/cli/main.js', ['up', '--port', '0'], {
        DATA_DIR: data.path,
        LEASE_SECONDS: '2',
        RECONCILE_SECONDS: '1',
        LOG_LEVEL: 'warn',
      });
      const address = () => /http:\/\/127\.0\.0\.1:\d+/.exec(up.output())?.[0];
      const listens = () => (up.output().includes('listens on') ? address() : undefined);
      const url = await until(() => listens() ?? up.child.exitCode !== null, 'the service', 120_000);
      if (typeof url !== 'string') throw new Error(up.output());
      const workers = () => childrenOf(up.child.pid ?? 0, 'trainer.js');
      return {
        url,
        apiKey: readFileSync(join(data.path, 'admin-key'), 'utf8').trim(),
        workers,
        replaceWorker: async () => {
          await until(() => workers().length === 1, 'a new worker');
        },
        stop: async () => {
          up.child.kill('SIGTERM');
          await up.exitCode;
          data.remove();
        },
      };
    },
    { kills: 2, python: false },
  );
});
