import { describe, expect, it } from 'vitest';
import { sha256Hex } from '../../../src/idempotency/sha256.ts';
import { createProgress, type ProgressDeps } from '../../../workers/progress.ts';
import { until } from '../../flow/support/lifecycle.ts';

type Commit = { epochs: number[]; checkpoint: number | null };

function setUp(
  answer: () => Promise<'running' | 'lost'> = async () => 'running',
  claimed: Partial<ProgressDeps['run']> = {},
) {
  const chains: string[] = [];
  const commits: Commit[] = [];
  const wanted: string[] = [];
  const committed: (number | null)[] = [];
  const hopeless: unknown[] = [];
  const progress = createProgress({
    run: { epoch: 0, epochsPlanned: 10, chainSha256: 'recipe', trainedMs: 0, budget: null, ...claimed },
    commit: async ({ epochs, checkpoint }) => {
      commits.push({ epochs: epochs.map(({ epoch }) => epoch), checkpoint: checkpoint?.epoch ?? null });
      chains.push(...epochs.map(({ chainSha256 }) => chainSha256));
      return answer();
    },
    onWanted: (status) => wanted.push(status),
    onCommitted: ({ epoch }) => committed.push(epoch),
    onHopeless: (error) => hopeless.push(error),
  });
  return { progress, commits, chains, wanted, committed, hopeless };
}

const epoch = (n: number) => ({
  epoch: n,
  metrics: {},
  diverged: false,
  weightsSha256: `hash of ${n}`,
  durationMs: 1,
  bestEpoch: null,
});
const checkpoint = (n: number) => ({
  epoch: n,
  stepsWithin: 0,
  withinMs: 0,
  bytes: new Uint8Array(1),
});

describe('the progress of a run', () => {
  it('commits in order, what came during a commit together, and the newest checkpoint with the last', async () => {
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { progress, commits, committed } = setUp(async () => {
      await gate;
      return 'running';
    });
    progress.add([epoch(1)], null);
    const flushed = progress.flush();
    progress.add([epoch(2)], checkpoint(2));
    progress.add([epoch(3)], null);
    progress.add([epoch(4)], checkpoint(4));
    release();
    await flushed;
    expect(commits).toEqual([
      { epochs: [1], checkpoint: null },
      { epochs: [2, 3, 4], checkpoint: 4 },
    ]);
    expect(committed).toEqual([1, 4]);
  });

  it('stores a checkpoint that comes alone', async () => {
    const { progress, commits } = setUp();
    progress.addCheckpoint(checkpoint(3));
    await progress.flush();
    expect(commits).toEqual([{ epochs: [], checkpoint: 3 }]);
  });

  it('stores a state within an epoch without being asked to', async () => {
    const { progress, commits, committed } = setUp();
    progress.add([], { ...checkpoint(3), stepsWithin: 7 });
    await until(() => committed.length > 0, 'the commit');
    expect(commits).toEqual([{ epochs: [], checkpoint: 3 }]);
    expect(committed).toEqual([null]);
  });

  it('writes nothing more once the run is lost', async () => {
    const { progress, commits, wanted } = setUp(async () => 'lost');
    progress.add([epoch(1)], null);
    await progress.flush();
    progress.add([epoch(2)], checkpoint(2));
    await progress.flush();
    expect(commits).toEqual([{ epochs: [1], checkpoint: null }]);
    expect(wanted).toEqual(['lost']);
  });

  it('hands over what is left, once what is under way is stored', async () => {
    const { progress, commits } = setUp();
    progress.add([epoch(1)], null);
    const flushed = progress.flush();
    progress.add([epoch(2), epoch(3)], checkpoint(3));
    await flushed;
    progress.add([epoch(4)], checkpoint(4));
    const rest = await progress.take();
    expect(rest?.epochs.map((each) => each.epoch)).toEqual([4]);
    expect(rest?.checkpoint?.epoch).toBe(4);
    expect(commits).toEqual([
      { epochs: [1], checkpoint: null },
      { epochs: [2, 3], checkpoint: 3 },
    ]);
    expect(await progress.take()).toEqual({ epochs: [], checkpoint: null });
  });

  it('hands nothing over once the run is lost or hopeless', async () => {
    const lost = setUp(async () => 'lost');
    lost.progress.add([epoch(1)], null);
    await lost.progress.flush();
    lost.progress.add([epoch(2)], null);
    expect(await lost.progress.take()).toBeNull();
    const hopeless = setUp(() => Promise.reject(new Error('no database')));
    hopeless.progress.add([epoch(1)], null);
    await hopeless.progress.flush();
    expect(await hopeless.progress.take()).toBeNull();
  });

  const remaining = async (claimed: Partial<ProgressDeps['run']>) => {
    const { progress } = setUp(undefined, claimed);
    progress.add([{ ...epoch(1), durationMs: 2_000 }], null);
    progress.add([{ ...epoch(2), durationMs: 2_000 }], null);
    return (await progress.take())?.epochs.map(({ etaSeconds }) => etaSeconds);
  };

  it('says how long it still takes, as far as a budget allows', async () => {
    expect(await remaining({})).toEqual([18, 16]);
    expect(await remaining({ budget: { epochs: 4 } })).toEqual([6, 4]);
    expect(await remaining({ budget: { seconds: 9.5 }, trainedMs: 1_000 })).toEqual([6.5, 4.5]);
    expect(await remaining({ budget: { seconds: 3 } })).toEqual([1, 0]);
    expect(await remaining({ budget: { seconds: 3_600, epochs: 12 } })).toEqual([18, 16]);
  });

  it('says when there is no hope, and flushes all the same', async () => {
    const { progress, hopeless } = setUp(() => Promise.reject(new Error('no database')));
    progress.add([epoch(1)], null);
    await progress.flush();
    expect(hopeless).toMatchObject([{ message: 'no database' }]);
  });

  it('chains the epochs from what was stored, which is not stored again', async () => {
    const { progress, commits, chains } = setUp(async () => 'running', { epoch: 2, chainSha256: 'two' });
    progress.add([epoch(1), epoch(2)], checkpoint(2));
    progress.add([epoch(3)], null);
    progress.add([epoch(4)], null);
    await progress.flush();
    expect(commits).toEqual([{ epochs: [3, 4], checkpoint: 2 }]);
    const three = sha256Hex('two 3 hash of 3');
    expect(chains).toEqual([three, sha256Hex(`${three} 4 hash of 4`)]);
  });

  it('commits a new checkpoint of old epochs without being asked to', async () => {
    const { progress, commits } = setUp(async () => 'running', { epoch: 2, chainSha256: 'two' });
    progress.add([epoch(1)], checkpoint(1));
    await expect.poll(() => commits).toEqual([{ epochs: [], checkpoint: 1 }]);
  });

  it('commits without being asked to', async () => {
    const { progress, committed } = setUp();
    progress.add([epoch(1)], null);
    await expect.poll(() => committed).toEqual([1]);
    progress.add([epoch(2)], null);
    await expect.poll(() => committed).toEqual([1, 2]);
  });
});
