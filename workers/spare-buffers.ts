// Memory for the states of a training. It goes to the worker with a state in it and comes back for the next one once that
// is stored: to take new memory for each costs more time than to copy the state. It is shared, and whose turn it is goes
// with the messages: memory that is handed over counts as garbage to come in the worker's heap, which would be marked and
// swept for each state.
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';

export interface SpareBuffers {
  /** Memory for so many bytes; small ones get memory of their own. */
  take(byteLength: number): Uint8Array;
  /** Lets go of what is there. */
  clear(): void;
}

/** States of a training differ by some bytes, and by what an epoch started from. */
const roundBytes = 65_536;
/** A buffer of another training may be much too large. */
const sizesApartMax = 2;
const sharedMin = 2 ** 20;

/** What comes back comes over this port. */
export function createSpareBuffers(port: MessagePort): SpareBuffers {
  // A thread that trains has no time for events.
  const next = (): unknown => receiveMessageOnPort(port)?.message;
  return {
    take: (byteLength) => {
      if (byteLength < sharedMin) return new Uint8Array(byteLength);
      const size = Math.ceil(byteLength / roundBytes) * roundBytes;
      for (let spare = next(); spare !== undefined; spare = next()) {
        if (
          spare instanceof SharedArrayBuffer &&
          spare.byteLength >= size &&
          spare.byteLength <= size * sizesApartMax
        ) {
          return new Uint8Array(spare, 0, byteLength);
        }
      }
      return new Uint8Array(new SharedArrayBuffer(size), 0, byteLength);
    },
    clear: () => {
      while (next() !== undefined) {}
    },
  };
}

/** What of these bytes is handed over along with a message; shared memory stays where it is. */
export function handedOver({ buffer }: Uint8Array): ArrayBuffer[] {
  return buffer instanceof ArrayBuffer ? [buffer] : [];
}
