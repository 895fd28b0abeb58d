// Large buffers lie outside of V8's heap, and it does not hurry to collect the small objects that own them: a parsed
// dataset would stay through the whole training that has no use for it any more.

const worthwhileBytes = 16 * 1024 ** 2;

/**
 * Call it when the last reference to so many bytes is gone. A collection takes some milliseconds; without Node's
 * `--expose-gc`, which the supervisor gives its worker, nothing happens.
 */
export function collectGarbage(byteLength: number): void {
  if (byteLength >= worthwhileBytes) globalThis.gc?.();
}
