import { describe, expect, it } from 'vitest';
import { createSharedCache, type Share } from '../../../workers/shared-cache.ts';

const make = (share: Share<string>, value: string, byteLength = 10): void => {
  expect(share.value).toBeNull();
  share.made(value, byteLength);
};

/** Whether it is settled by now. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  return (await Promise.race([promise, new Promise((r) => setImmediate(r, pending))])) === pending;
}

describe('what runs share', () => {
  it('is made by the first, and given to those that wait and to those that come later', async () => {
    const cache = createSharedCache<string>(100);
    const first = await cache.acquire('a');
    const waiting = [cache.acquire('a'), cache.acquire('a')];
    const other = await cache.acquire('b');
    expect(other.value).toBeNull();
    expect(await isPending(Promise.race(waiting))).toBe(true);
    make(first, 'A');
    expect((await Promise.all(waiting)).map(({ value }) => value)).toEqual(['A', 'A']);
    first.release();
    expect((await cache.acquire('a')).value).toBe('A');
  });

  it('is made by the next in line when the first gives up', async () => {
    const cache = createSharedCache<string>(100);
    const first = await cache.acquire('a');
    const [second, third] = [cache.acquire('a'), cache.acquire('a')];
    first.release();
    const next = await second;
    expect(next.value).toBeNull();
    expect(await isPending(third)).toBe(true);
    make(next, 'A');
    expect((await third).value).toBe('A');
  });

  it('goes when there is too much, the least recently used first, but not while it is in use', async () => {
    const cache = createSharedCache<string>(20);
    const used = await cache.acquire('used');
    make(used, 'U');
    for (const key of ['a', 'b']) {
      const share = await cache.acquire(key);
      make(share, key.toUpperCase());
      share.release();
    }
    // 30 bytes of 20: "a" went, and "used", the oldest, did not.
    const again = await cache.acquire('used');
    expect(again.value).toBe('U');
    const b = await cache.acquire('b');
    expect(b.value).toBe('B');
    b.release();
    const a = await cache.acquire('a');
    make(a, 'A');
    a.release();
    expect((await cache.acquire('used')).value).toBe('U');
    const gone = await cache.acquire('b');
    expect(gone.value).toBeNull();
    gone.release();
    used.release();
    used.release();
    again.release();
  });

  it('may be larger than the limit as long as somebody uses it', async () => {
    const cache = createSharedCache<string>(20);
    const large = await cache.acquire('large');
    make(large, 'L', 1_000);
    const user = await cache.acquire('large');
    expect(user.value).toBe('L');
    large.release();
    const other = await cache.acquire('large');
    expect(other.value).toBe('L');
    other.release();
    user.release();
    expect((await cache.acquire('large')).value).toBeNull();
  });

  it('makes room before something large is made', async () => {
    const cache = createSharedCache<string>(20);
    const old = await cache.acquire('old');
    make(old, 'O', 15);
    old.release();
    const fresh = await cache.acquire('fresh', { expectedBytes: 15 });
    expect((await cache.acquire('old')).value).toBeNull();
    make(fresh, 'F', 15);
  });

  it('holds nothing through a share that was released', async () => {
    const cache = createSharedCache<string>(20);
    const maker = await cache.acquire('a');
    make(maker, 'A');
    const user = await cache.acquire('a');
    for (const share of [maker, user]) {
      expect(share.value).toBe('A');
      share.release();
      expect(share.value).toBeNull();
    }
  });

  it('is not waited for by those that leave', async () => {
    const cache = createSharedCache<string>(20);
    const maker = await cache.acquire('a');
    const leaving = new AbortController();
    const left = cache.acquire('a', { signal: leaving.signal });
    const stays = cache.acquire('a', { signal: new AbortController().signal });
    expect(await isPending(Promise.race([left, stays]))).toBe(true);
    leaving.abort(new Error('left'));
    await expect(left).rejects.toThrow('left');
    make(maker, 'A');
    expect((await stays).value).toBe('A');
  });
});
