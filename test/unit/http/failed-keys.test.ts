import { describe, expect, it } from 'vitest';
import { createFailedKeys } from '../../../src/http/failed-keys.ts';

describe('createFailedKeys', () => {
  it('lets some through, then says how long to wait, then starts anew', () => {
    let now = 0;
    const failed = createFailedKeys({ failuresMax: 2, windowMs: 10_000, now: () => now });
    expect([failed.count('a'), failed.count('a')]).toEqual([null, null]);
    now = 4_000;
    expect(failed.count('a')).toBe(6);
    expect(failed.count('b')).toBeNull();
    now = 10_000;
    expect(failed.count('a')).toBeNull();
  });

  it('remembers so many addresses, and forgets the quietest', () => {
    const failed = createFailedKeys({ failuresMax: 1, addressesMax: 2, now: () => 0 });
    failed.count('quiet');
    failed.count('busy');
    failed.count('new');
    expect(failed.count('quiet')).toBeNull();
    expect(failed.count('new')).not.toBeNull();
  });
});
