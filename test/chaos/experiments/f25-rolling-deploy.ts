// F25: API and worker are replaced by new processes, again and again, while clients are served. A loopback proxy plays
// the balancer: it sends new connections to the new API before the old one is told to end.
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from '../../support/free-port.ts';
import { seedOf } from '../batches.ts';
import type { Experiment } from '../experiment.ts';
import { openProxy } from '../places/proxy.ts';
import type { World } from '../world.ts';

const betweenMs = { quick: 5_000, full: 60_000 };
const requestEveryMs = 100;

export const rollingDeploy: Experiment = {
  id: 'F25',
  title: 'API and worker are replaced while they serve',
  queues: ['redis', 'postgres'],
  repetitions: { quick: 2, full: 5 },
  boundSeconds: null,
  run: async ({ world, repetitions, mode, say }) => {
    let targets: number[] = [];
    const balancer = await openProxy(() => targets, Number(world.settings.PORT));
    try {
      const start = async () => {
        const port = await freePort();
        const [api, worker] = await Promise.all([
          world.startApi({ env: { PORT: String(port) } }),
          world.startWorker(),
        ]);
        targets = [port];
        return { stop: () => Promise.all([api.stop(), worker.stop()]) };
      };
      let serving = await start();
      const load = startLoad(world);
      for (let repetition = 0; repetition < repetitions; repetition++) {
        await wait(betweenMs[mode]);
        const old = serving;
        serving = await start();
        await old.stop();
        say(`${repetition + 1} of ${repetitions}`);
      }
      const { requests } = await load.stop();
      say(`${requests} requests`);
    } finally {
      await balancer.close();
    }
  },
};

/** Submits and looks, until it is stopped; whatever has not its usual answer is a violation. */
function startLoad({ client, violation }: World): { stop(): Promise<{ requests: number }> } {
  let stopped = false;
  let requests = 0;
  const tally = async (what: string, wanted: number, request: () => Promise<{ status: number }>) => {
    requests++;
    const answer = await request().catch((error: unknown) => ({ status: String(error) }));
    if (answer.status !== wanted) violation(`during a deploy a ${what} got ${answer.status}`);
  };
  const work = async (): Promise<void> => {
    for (let i = 0; !stopped; i++) {
      const shape = i % 50 === 0 ? 'steady' : 'brief';
      await tally('submit', 201, () => client.attempt(shape, seedOf(i)));
      await tally('list', 200, () => client.ask('GET', '/v1/runs?limit=50'));
      await wait(requestEveryMs);
    }
  };
  const working = work();
  return {
    stop: async () => {
      stopped = true;
      await working;
      return { requests };
    },
  };
}
