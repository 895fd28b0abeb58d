/** The example datasets as tables, and specs written short. */
import { readFileSync } from 'node:fs';
import { type EngineSpec, type EngineSpecInput, engineSpec } from '../../../src/engine/spec.ts';
import type { Column, Table } from '../../../src/engine/table.ts';

/** Numeric where every cell is a number, else categorical. */
export function exampleTable(name: 'digits' | 'iris' | 'wine'): Table {
  const file = new URL(`../../../examples/data/${name}.csv`, import.meta.url);
  const [head = '', ...lines] = readFileSync(file, 'utf8').trim().split(/\r?\n/);
  const cells = lines.map((line) => line.split(','));
  const columns = head.split(',').map((column, c) =>
    columnOf(
      column,
      cells.map((row) => row[c] ?? ''),
    ),
  );
  return { rowCount: cells.length, columns };
}

export function columnOf(name: string, words: readonly string[]): Column {
  if (words.every((word) => word !== '' && Number.isFinite(Number(word)))) {
    return { name, type: 'numeric', values: Float64Array.from(words, Number) };
  }
  const categories = [...new Set(words)].sort();
  return {
    name,
    type: 'categorical',
    categories,
    codes: Int32Array.from(words, (word) => categories.indexOf(word)),
  };
}

/** One dense hidden layer, ten epochs; what is given replaces whole top-level parts but `data` and `training`. */
export function specOf(
  units: number,
  parts: Partial<Omit<EngineSpecInput, 'data' | 'training'>> & {
    data: Partial<EngineSpecInput['data']> & { target: string };
    training?: Partial<EngineSpecInput['training']>;
  },
): EngineSpec {
  return engineSpec.parse({
    seed: 7,
    model: {
      layers: [
        { kind: 'dense', units: 8, activation: { kind: 'tanh' } },
        { kind: 'dense', units },
      ],
    },
    optimizer: { kind: 'adam', learningRate: 0.01 },
    ...parts,
    data: { dataset: 'example', split: { kind: 'stratified' }, ...parts.data },
    training: { epochs: 10, batchSize: 16, ...parts.training },
  });
}
