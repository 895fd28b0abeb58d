import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checkSpec } from '../../../src/engine/check.ts';
import { backends } from '../../../src/engine/codegen/backends.ts';
import { engineSpec } from '../../../src/engine/spec.ts';
import { summarize } from '../../../src/engine/table.ts';
import { createTraining, type Training } from '../../../src/engine/train.ts';
import { exampleTable } from './example-table.ts';

/** The specs, by the dataset they are for. */
const DATASETS = { digits: 'digits', 'digits-conv': 'digits', iris: 'iris', wine: 'wine' } as const;
type ExampleName = keyof typeof DATASETS;

/** The committed example's spec, with the dataset that the service would fill in. */
function exampleSpec(name: ExampleName) {
  const file = new URL(`../../../examples/${name}.json`, import.meta.url);
  const { name: _, data, ...body } = JSON.parse(readFileSync(file, 'utf8'));
  return engineSpec.parse({ ...body, data: { ...data, dataset: name } });
}

function trained(name: ExampleName, backend: keyof typeof backends): Training {
  const training = createTraining({
    spec: exampleSpec(name),
    table: exampleTable(DATASETS[name]),
    backend: backends[backend],
  });
  while (training.stopReason === null) training.runEpoch({ shouldStop: () => false, onSteps: () => {} });
  return training;
}

describe.each([
  ['digits', 0.975],
  ['digits-conv', 0.99],
  ['iris', 0.95],
  ['wine', 0.95],
] as const)('the example %s', (name, accuracy) => {
  it('passes every check', () => {
    const table = exampleTable(DATASETS[name]);
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
