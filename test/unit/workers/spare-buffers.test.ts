import { MessageChannel } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { createSpareBuffers, handedOver } from '../../../workers/spare-buffers.ts';

function setUp() {
  const { port1, port2 } = new MessageChannel();
  const giveBack = ({ buffer }: Uint8Array) => port1.postMessage(buffer);
  return { giveBack, spares: createSpareBuffers(port2) };
}

/** Fresh memory is zeros. */
const marked = (bytes: Uint8Array): Uint8Array => bytes.fill(7);

it('gives memory of the size that is asked for, at the start of its buffer', () => {
  const { spares } = setUp();
  for (const size of [1, 2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1]) {
    const bytes = spares.take(size);
    expect(bytes).toHaveLength(size);
    expect(bytes.byteOffset).toBe(0);
    // A message with less may as well take it along.
    expect(handedOver(bytes)).toEqual(size < 2 ** 20 ? [bytes.buffer] : []);
  }
});

it('gives what came back for the next state of about that size', () => {
  const { spares, giveBack } = setUp();
  giveBack(marked(spares.take(2_000_000)));
  const again = spares.take(2_000_011);
  expect(again).toHaveLength(2_000_011);
  expect(again[1_999_999]).toBe(7);
  // It is given once.
  expect(spares.take(2_000_000)[0]).toBe(0);
});

it('passes over what is too small or much too large, and lets go of what it is told to', () => {
  const { spares, giveBack } = setUp();
  giveBack(marked(spares.take(1_100_000)));
  expect(spares.take(9_000_000)[0]).toBe(0);
  giveBack(marked(spares.take(9_000_000)));
  expect(spares.take(1_100_000)[0]).toBe(0);
  giveBack(marked(spares.take(1_100_000)));
  spares.clear();
  expect(spares.take(1_100_000)[0]).toBe(0);
});
