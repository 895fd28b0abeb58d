// The hash by which requests and stored content are compared.
import { createHash, hash } from 'node:crypto';

type Part = string | Uint8Array | Float32Array;

/** Of all the bytes, one part after another, in lower-case hexadecimal. */
export function sha256Hex(...parts: readonly Part[]): string {
  const whole = wholeOf(parts);
  if (whole !== null) return hash('sha256', whole, 'hex');
  const all = createHash('sha256');
  for (const part of parts) all.update(part);
  return all.digest('hex');
}

/** The parts as one, which is hashed in half the time, where they are: alone, or neighbours in memory. */
function wholeOf(parts: readonly Part[]): Part | null {
  const [first] = parts;
  if (first === undefined || parts.length === 1) return first ?? null;
  if (typeof first === 'string') return null;
  let end = first.byteOffset;
  for (const part of parts) {
    if (typeof part === 'string' || part.buffer !== first.buffer || part.byteOffset !== end) return null;
    end += part.byteLength;
  }
  return new Uint8Array(first.buffer, first.byteOffset, end - first.byteOffset);
}

/** Whether the bytes are those whose hash was stored with them. */
export function isWhole(file: { readonly sha256: string; readonly bytes: Uint8Array }): boolean {
  return sha256Hex(file.bytes) === file.sha256;
}
