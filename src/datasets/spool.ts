// Where an upload lies until it is known to be good: a file that has no name any more, so that nothing is left
// of it however the process ends.
import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Spool {
  write(bytes: Uint8Array): Promise<void>;
  readonly byteLength: number;
  /** Hex; of everything written so far. Call it once. */
  sha256(): string;
  /** From the start, in pieces of 1 MiB. */
  read(): AsyncGenerator<Buffer<ArrayBuffer>>;
  close(): Promise<void>;
}

export const pieceBytes = 1024 * 1024;

export async function createSpool(): Promise<Spool> {
  const path = join(tmpdir(), `trainyard-upload-${randomUUID()}`);
  const file = await open(path, 'wx+', 0o600);
  // Where an open file cannot be unlinked it goes when the spool is closed.
  const unlinked = await unlink(path).then(
    () => true,
    () => false,
  );
  const hash = createHash('sha256');
  let byteLength = 0;
  return {
    async write(bytes) {
      hash.update(bytes);
      let written = 0;
      while (written < bytes.length) {
        const part = await file.write(bytes, written, bytes.length - written, byteLength + written);
        written += part.bytesWritten;
      }
      byteLength += bytes.length;
    },
    get byteLength() {
      return byteLength;
    },
    sha256: () => hash.digest('hex'),
    read: () => readPieces(file, () => byteLength),
    async close() {
      await file.close();
      if (!unlinked) await unlink(path).catch(() => undefined);
    },
  };
}

async function* readPieces(file: FileHandle, byteLength: () => number): AsyncGenerator<Buffer<ArrayBuffer>> {
  for (let at = 0; at < byteLength(); ) {
    const piece = Buffer.alloc(Math.min(pieceBytes, byteLength() - at));
    const { bytesRead } = await file.read(piece, 0, piece.length, at);
    if (bytesRead === 0) throw new Error('the spool is shorter than what was written to it');
    at += bytesRead;
    yield piece.subarray(0, bytesRead);
  }
}
