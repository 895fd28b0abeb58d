import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checkSpec } from '../../../src/engine/check.ts';
import { backends } from '../../../src/engine/codegen/backends.ts';
import { engineSpec } from '../../../src/engine/spec.ts';
import { summarize } from '../../../src/engine/table.ts';
import { createTraining, type Training } from '../../../src/engine/train.ts';
import { exampleTable } from './example-table.ts';

type ExampleName = 'digits' | 'iris' | 'wine';

/** The committed example's spec, with the dataset that the service would fill in. */
function exampleSpec(name: ExampleName) {
  const file = new URL(`../../../examples/${name}.json`, import.meta.url);
  const { name: _, data, ...body } = JSON.parse(readFileSync(file, 'utf8'));
  return engineSpec.parse({ ...body, data: { ...data, dataset: name } });
}

function trained(name: ExampleName, backend: keyof typeof backends): Training {
  const training = createTraining({
    spec: exampleSpec(name),
    table: exampleTable(name),
    backend: backends[backend],
  });
  while (training.stopReason === null) training.runEpoch({ shouldStop: () => false, onSteps: () => {} });
  return training;
}

describe.each([
  ['digits', 0.975],
  ['iris', 0.95],
  ['wine', 0.95],
] as const)('the example %s', (name, accuracy) => {
  it('passes every check', () => {
    const table = exampleTable(name);
    const dataset = { rowCount: table.rowCount, columns: summarize(table) };
    expect(checkSpec(exampleSpec(name), dataset)).toEqual([]);
  });

  it(`predicts at least ${accuracy} of the held-out rows right`, () => {
    expect(trained(name, 'wasm').results().metrics.testAccuracy).toBeGreaterThanOrEqual(accuracy);
  });
});

it.each(['iris', 'wine'] as const)('%s ends with the same bits on both back ends', (name) => {
  const hash = (backend: keyof typeof backends) =>
    createHash('sha256').update(trained(name, backend).parameterBytes()).digest('hex');
  expect(hash('wasm')).toBe(hash('interpreter'));
});
