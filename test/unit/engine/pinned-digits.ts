/** The digits example's weights, pinned: the same on every back end, processor, and version of Node. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { backends } from '../../../src/engine/codegen/backends.ts';
import { engineSpec } from '../../../src/engine/spec.ts';
import { createTraining } from '../../../src/engine/train.ts';
import { exampleTable } from './example-table.ts';

const read = (path: string) => JSON.parse(readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8'));
const { weightsSha256 } = read('test/golden/digits-weights.json');

export function expectPinnedDigits(backend: keyof typeof backends): void {
  const { name: _, data, ...body } = read('examples/digits.json');
  const spec = engineSpec.parse({ ...body, data: { ...data, dataset: 'digits' } });
  const training = createTraining({ spec, table: exampleTable('digits'), backend: backends[backend] });
  while (training.stopReason === null) training.runEpoch({ shouldStop: () => false, onSteps: () => {} });
  expect(createHash('sha256').update(training.parameterBytes()).digest('hex')).toBe(weightsSha256);
}
