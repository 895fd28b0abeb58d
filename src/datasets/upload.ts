// A request's body on its way into the spool: measured, timed, and recognised where it is no text at all.
import type { Readable } from 'node:stream';
import { problem } from '../errors.ts';
import type { Spool } from './spool.ts';

interface UploadLimits {
  readonly bytesMax: number;
  /** A client has to send something within each such time. */
  readonly bodyTimeoutMs: number;
  /** Has to close the connection: nobody waits for the rest. */
  readonly onStall: () => void;
}

/** Yields what it has written. Throws 413 and 415; a connection that breaks is a 400 nobody will read. */
export async function* spoolUpload(
  body: Readable,
  spool: Spool,
  { bytesMax, bodyTimeoutMs, onStall }: UploadLimits,
): AsyncGenerator<Buffer> {
  let head = Buffer.alloc(0);
  let clock: NodeJS.Timeout | undefined;
  const restart = () => {
    clearTimeout(clock);
    clock = setTimeout(onStall, bodyTimeoutMs);
  };
  restart();
  try {
    // The connection has to survive this loop: the answer is sent over it.
    for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      clearTimeout(clock); // what takes long from here on is not the client's doing
      if (head.length < headBytes) {
        head = Buffer.concat([head, chunk]).subarray(0, headBytes);
        const format = binaryFormat(head);
        if (format !== null)
          throw problem('unsupported-media-type', `This is a ${format}; send the CSV itself.`);
      }
      if (spool.byteLength + chunk.length > bytesMax) throw tooLarge(bytesMax);
      await spool.write(chunk);
      yield chunk;
      restart();
    }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ECONNRESET') {
      throw problem('upload-cut-off', 'The connection broke off.');
    }
    throw error;
  } finally {
    clearTimeout(clock);
  }
}

export function tooLarge(bytesMax: number) {
  return problem('body-too-large', `A CSV may have ${bytesMax} bytes at most.`);
}

const headBytes = 512;

/** Files that people send by mistake, by their first bytes. */
const signatures: readonly {
  readonly name: string;
  readonly at: number;
  readonly bytes: readonly number[];
}[] = [
  { name: 'zip archive (or a spreadsheet)', at: 0, bytes: [0x50, 0x4b, 0x03, 0x04] },
  { name: 'gzip file', at: 0, bytes: [0x1f, 0x8b] },
  { name: 'zstd file', at: 0, bytes: [0x28, 0xb5, 0x2f, 0xfd] },
  { name: 'bzip2 file', at: 0, bytes: [0x42, 0x5a, 0x68, 0x39, 0x31, 0x41, 0x59] },
  { name: 'xz file', at: 0, bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
  { name: '7z archive', at: 0, bytes: [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c] },
  { name: 'Parquet file', at: 0, bytes: [0x50, 0x41, 0x52, 0x31] },
  { name: 'spreadsheet', at: 0, bytes: [0xd0, 0xcf, 0x11, 0xe0] },
  { name: 'PDF', at: 0, bytes: [0x25, 0x50, 0x44, 0x46, 0x2d] },
  { name: 'tar archive', at: 257, bytes: [0x75, 0x73, 0x74, 0x61, 0x72] },
];

export function binaryFormat(head: Uint8Array): string | null {
  const found = signatures.find(({ at, bytes }) => bytes.every((byte, i) => head[at + i] === byte));
  return found?.name ?? null;
}
