// The hash by which requests and stored content are compared.
import { createHash } from 'node:crypto';

/** Of all the bytes, one part after another, in lower-case hexadecimal. */
export function sha256Hex(...parts: readonly (string | Uint8Array | Float32Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

/** Whether the bytes are those whose hash was stored with them. */
export function isWhole(file: { readonly sha256: string; readonly bytes: Uint8Array }): boolean {
  return sha256Hex(file.bytes) === file.sha256;
}
