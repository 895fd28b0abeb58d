// What the ticket queue promises on either of its back ends.
import { randomUUID } from 'node:crypto';
import { afterEach, expect, it } from 'vitest';
import { createLog } from '../../../src/log.ts';
import { createTicketQueue, type TicketQueue } from '../../../src/queue/queue.ts';
import { until } from './lifecycle.ts';

const log = createLog('silent', 'test');

export interface QueuePlace {
  redisUrl?: string | undefined;
  databaseUrl: string;
}

export function itKeepsTheQueuePromises(place: () => QueuePlace): void {
  const queues: TicketQueue[] = [];
  const open = (prefix: string) => {
    const queue = createTicketQueue({ ...place(), prefix, log });
    queues.push(queue);
    return queue;
  };
  const fresh = () => `t${randomUUID().slice(0, 8)}`;

  afterEach(async () => {
    await Promise.all(queues.splice(0).map((queue) => queue.close()));
  });

  it('delivers each ticket once, in order, to one of several receivers', async () => {
    const prefix = fresh();
    const sender = open(prefix);
    const receivers = [open(prefix), open(prefix)];
    const sent = Array.from({ length: 20 }, () => randomUUID());
    await sender.sendAll(sent.map((runId) => ({ runId, fence: 0 })));
    const stop = new AbortController();
    const got: string[] = [];
    await Promise.all(
      receivers.map(async (receiver) => {
        for (;;) {
          const runId = await receiver.receive(stop.signal);
          if (runId === null) {
            return;
          }
          got.push(runId);
          if (got.length === sent.length) {
            stop.abort();
          }
        }
      }),
    );
    expect([...got].sort()).toEqual([...sent].sort());
    expect(await sender.depth()).toBe(0);
  });

  it('wakes a receiver that already waits', async () => {
    const prefix = fresh();
    const receiver = open(prefix);
    const sender = open(prefix);
    const receiving = receiver.receive(new AbortController().signal);
    const runId = randomUUID();
    await sender.send(runId);
    expect(await receiving).toBe(runId);
  });

  it('does not double a waiting ticket, and takes the same one again after delivery', async () => {
    const queue = open(fresh());
    const runId = randomUUID();
    await queue.send(runId);
    await queue.send(runId);
    expect(await queue.depth()).toBe(1);
    const signal = new AbortController().signal;
    expect(await queue.receive(signal)).toBe(runId);
    // Moments later it is finished.
    const sentAgain = async () => {
      await queue.send(runId);
      return (await queue.depth()) === 1;
    };
    await until(sentAgain, 'the second ticket');
    expect(await queue.receive(signal)).toBe(runId);
  });

  it('keeps tickets of different fences apart', async () => {
    const queue = open(fresh());
    const runId = randomUUID();
    await queue.send(runId, 0);
    await queue.send(runId, 1);
    expect(await queue.depth()).toBe(2);
  });

  it('stops waiting when told, and the ticket that comes next is not lost', async () => {
    const prefix = fresh();
    const queue = open(prefix);
    const sender = open(prefix);
    const stop = new AbortController();
    const waiting = queue.receive(stop.signal);
    stop.abort();
    expect(await waiting).toBeNull();
    const runId = randomUUID();
    await sender.send(runId);
    expect(await queue.receive(new AbortController().signal)).toBe(runId);
  });

  it('ends a wait on close and refuses to send afterwards', async () => {
    const queue = open(fresh());
    const waiting = queue.receive(new AbortController().signal);
    await queue.close();
    expect(await waiting).toBeNull();
    await expect(queue.send(randomUUID())).rejects.toThrow('closed');
  });
}
