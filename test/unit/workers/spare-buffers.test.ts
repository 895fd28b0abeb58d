import { MessageChannel } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { createSpareBuffers } from '../../../workers/spare-buffers.ts';

function setUp() {
  const { port1, port2 } = new MessageChannel();
  const giveBack = (buffer: ArrayBuffer) => port1.postMessage(buffer, [buffer]);
  return { giveBack, spares: createSpareBuffers(port2) };
}

/** Fresh memory is zeros. */
const marked = (bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => bytes.fill(7);

it('gives memory of the size that is asked for, at the start of its buffer', () => {
  const { spares } = setUp();
  for (const size of [1, 65_536, 65_537]) {
    const bytes = spares.take(size);
    expect(bytes).toHaveLength(size);
    expect(bytes.byteOffset).toBe(0);
  }
});

it('gives what came back for the next state of about that size', () => {
  const { spares, giveBack } = setUp();
  giveBack(marked(spares.take(1_000_000)).buffer);
  const again = spares.take(1_000_011);
  expect(again).toHaveLength(1_000_011);
  expect(again[999_999]).toBe(7);
  // It is given once.
  expect(spares.take(1_000_000)[0]).toBe(0);
});

it('passes over what is too small or much too large, and lets go of what it is told to', () => {
  const { spares, giveBack } = setUp();
  giveBack(marked(spares.take(100_000)).buffer);
  expect(spares.take(1_000_000)[0]).toBe(0);
  giveBack(marked(spares.take(1_000_000)).buffer);
  expect(spares.take(100_000)[0]).toBe(0);
  giveBack(marked(spares.take(100_000)).buffer);
  spares.clear();
  expect(spares.take(100_000)[0]).toBe(0);
});
