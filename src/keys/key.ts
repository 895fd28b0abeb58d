// The text form of an API key: `ty_<43 base62 digits of 32 random bytes>_<6 base62 digits of checksum>`.
// The checksum is not a secret: it lets a typo be refused without asking the database.
import { createHash, createHmac, randomBytes } from 'node:crypto';

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const secretLength = 43;
const checksumLength = 6;
const keyPattern = /^ty_([0-9A-Za-z]{43})_([0-9A-Za-z]{6})$/;

/** A fresh key with 256 random bits. */
export function createKey(): string {
  const secret = base62(randomBytes(32), secretLength);
  return `ty_${secret}_${checksum(secret)}`;
}

/** True when the text has a key's form and its checksum fits. */
export function isKey(text: string): boolean {
  const parts = keyPattern.exec(text);
  const [, secret, given] = parts ?? [];
  return secret !== undefined && checksum(secret) === given;
}

/** What is stored in place of the key: HMAC-SHA256 under the service's own secret. */
export function hashKey(key: string, secret: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHmac('sha256', secret).update(key).digest());
}

/** The part of a key that may be shown in lists. */
export function keyPrefix(key: string): string {
  return key.slice(0, 'ty_'.length + 6);
}

/** The first 32 bits of SHA-256 over the digits. */
function checksum(secret: string): string {
  return base62(createHash('sha256').update(secret).digest().subarray(0, 4), checksumLength);
}

/** Big-endian bytes as base62, padded to `length` digits. */
function base62(bytes: Uint8Array, length: number): string {
  let rest = BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
  let text = '';
  for (let i = 0; i < length; i++) {
    text = digits.charAt(Number(rest % 62n)) + text;
    rest /= 62n;
  }
  return text;
}
