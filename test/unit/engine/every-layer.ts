/** A network with every kind of layer, and data small enough to train it on the interpreter. */
import type { EngineSpecInput } from '../../../src/engine/spec.ts';
import type { Table } from '../../../src/engine/table.ts';
import { exampleTable } from './example-table.ts';

const relu = { kind: 'relu' } as const;
export const everyLayer: EngineSpecInput['model']['layers'] = [
  { kind: 'reshape', height: 8, width: 8, name: 'image' },
  { kind: 'conv2d', channels: 5, kernel: 3, padding: 1, activation: relu },
  { kind: 'batchNorm', name: 'first' },
  { kind: 'conv2d', channels: 5, kernel: [3, 1], padding: [2, 0], dilation: [2, 1], name: 'second' },
  { kind: 'add', inputs: ['first', 'second'] },
  { kind: 'activation', activation: relu },
  { kind: 'maxPool2d', kernel: 3, stride: 2, padding: 1, name: 'largest' },
  { kind: 'avgPool2d', kernel: 2, input: 'second', name: 'mean' },
  { kind: 'concat', inputs: ['largest', 'mean'] },
  { kind: 'conv2d', channels: 17, kernel: 2, stride: [1, 2], activation: { kind: 'tanh' } },
  { kind: 'dropout', probability: 0.2 },
  { kind: 'flatten' },
  { kind: 'layerNorm' },
  { kind: 'dense', units: 10 },
];

const ROWS = 45;
const digits = exampleTable('digits');
/** The first digits. */
export const fewDigits: Table = {
  rowCount: ROWS,
  columns: digits.columns.map((column) =>
    column.type === 'numeric'
      ? { ...column, values: column.values.slice(0, ROWS) }
      : { ...column, codes: column.codes.slice(0, ROWS) },
  ),
};
/** The same as a client sends them. */
export const fewRows = Array.from({ length: ROWS }, (_, row) =>
  Object.fromEntries(
    fewDigits.columns.flatMap((c) =>
      c.type === 'numeric' && c.name !== 'digit' ? [[c.name, c.values[row]]] : [],
    ),
  ),
);
