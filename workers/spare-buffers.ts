// Memory for the states of a training. It goes to the worker with a state in it and comes back for the next one once that
// is stored: to take new memory for each costs more time than to copy the state.
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';

export interface SpareBuffers {
  /** Memory for so many bytes, of a buffer that may be given away. */
  take(byteLength: number): Uint8Array<ArrayBuffer>;
  /** Lets go of what is there. */
  clear(): void;
}

/** States of a training differ by some bytes, and by what an epoch started from. */
const roundBytes = 65_536;
/** A buffer of another training may be much too large. */
const sizesApartMax = 2;

/** What comes back comes over this port. */
export function createSpareBuffers(port: MessagePort): SpareBuffers {
  // A thread that trains has no time for events.
  const next = (): unknown => receiveMessageOnPort(port)?.message;
  return {
    take: (byteLength) => {
      const size = Math.ceil(byteLength / roundBytes) * roundBytes;
      for (let spare = next(); spare !== undefined; spare = next()) {
        if (isBuffer(spare) && spare.byteLength >= size && spare.byteLength <= size * sizesApartMax) {
          return new Uint8Array(spare, 0, byteLength);
        }
      }
      return new Uint8Array(new ArrayBuffer(size), 0, byteLength);
    },
    clear: () => {
      while (next() !== undefined) {}
    },
  };
}

function isBuffer(value: unknown): value is ArrayBuffer {
  return value instanceof ArrayBuffer;
}
