// The header that makes a POST safe to repeat.
import { problem } from '../errors.ts';

/** Throws a 400 for a header that is no key. */
export function parseIdempotencyKey(header: string | undefined): string | null {
  if (header === undefined) return null;
  if (/^[!-~]([ -~]{0,198}[!-~])?$/.test(header)) return header;
  throw problem('malformed-idempotency-key', 'It has to be 1 to 200 printable ASCII characters.');
}
