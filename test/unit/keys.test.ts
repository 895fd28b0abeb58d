import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKey, hashKey, isKey, keyPrefix } from '../../src/keys/key.ts';

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

describe('createKey', () => {
  it('has the documented form and fits its own checksum', () => {
    for (let i = 0; i < 200; i++) {
      const key = createKey();
      expect(key).toMatch(/^ty_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/);
      expect(isKey(key)).toBe(true);
    }
  });

  it('never repeats itself', () => {
    expect(new Set(Array.from({ length: 500 }, createKey)).size).toBe(500);
  });
});

describe('isKey', () => {
  it('refuses a key with any one character of its secret mistyped', () => {
    const key = createKey();
    for (let at = 3; at < 46; at++) {
      const other = alphabet[(alphabet.indexOf(key.charAt(at)) + 1) % 62];
      expect(isKey(key.slice(0, at) + other + key.slice(at + 1))).toBe(false);
    }
  });

  it('refuses a wrong checksum, a missing one, and anything around the key', () => {
    const key = createKey();
    const swapped = `${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`;
    for (const text of [swapped, key.slice(0, -7), ` ${key}`, `${key}\n`, key.toUpperCase(), `x${key}`]) {
      expect(isKey(text)).toBe(false);
    }
  });

  it('refuses arbitrary text', () => {
    fc.assert(fc.property(fc.string(), (text) => !isKey(text)));
  });

  it('goes on accepting the keys of earlier versions', () => {
    expect(isKey('ty_0000000000000000000000000000000000000000000_3O9xIA')).toBe(true);
  });
});

describe('hashKey', () => {
  it('is HMAC-SHA256 under the secret', () => {
    // RFC 4231, test case 2.
    const hex = Buffer.from(hashKey('what do ya want for nothing?', 'Jefe')).toString('hex');
    expect(hex).toBe('5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
  });
});

describe('keyPrefix', () => {
  it('shows six digits of the secret', () => {
    expect(keyPrefix('ty_abcdefghij')).toBe('ty_abcdef');
  });
});
