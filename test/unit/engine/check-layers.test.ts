/** What checkSpec says of networks whose layers do not find, or cannot take, what they are given. */
import { describe, expect, it } from 'vitest';
import { checkSpec, defaultLimits } from '../../../src/engine/check.ts';
import type { EngineSpec, EngineSpecInput } from '../../../src/engine/spec.ts';
import { summarize, type Table } from '../../../src/engine/table.ts';
import { columnOf, specOf } from './example-table.ts';

type Layers = EngineSpecInput['model']['layers'];

const ROWS = 100;
const SIDE = 8;
const table: Table = {
  rowCount: ROWS,
  columns: [
    ...Array.from({ length: SIDE * SIDE }, (_, i) =>
      columnOf(
        `pixel${i}`,
        Array.from({ length: ROWS }, (_, r) => String((r * i) % 17)),
      ),
    ),
    columnOf(
      'kind',
      Array.from({ length: ROWS }, (_, r) => ['cat', 'dog', 'owl'][r % 3] ?? ''),
    ),
  ],
};
const dataset = { rowCount: ROWS, columns: summarize(table) };
const check = (layers: Layers, training: object = {}) =>
  checkSpec(specOf(3, { data: { target: 'kind' }, model: { layers }, training }), dataset);

const reshape = { kind: 'reshape', height: SIDE, width: SIDE } as const;
const flatten = { kind: 'flatten' } as const;
const dense = (units: number, more: object = {}) => ({ kind: 'dense', units, ...more }) as const;
const conv = (kernel: number | [number, number], more: object = {}) =>
  ({ kind: 'conv2d', channels: 4, kernel, ...more }) as const;
const end = [flatten, dense(3)] as const;

describe('a network of layers that fit', () => {
  it.each<[string, Layers]>([
    ['convolutions', [reshape, conv(3), { kind: 'maxPool2d', kernel: 2 }, conv(3, { padding: 1 }), ...end]],
    [
      'a skip connection',
      [dense(5, { name: 'a' }), dense(5, { name: 'b' }), { kind: 'add', inputs: ['a', 'b'] }, dense(3)],
    ],
    [
      'branches from the data',
      [
        dense(5, { name: 'left' }),
        dense(6, { input: 'data', name: 'right' }),
        { kind: 'concat', inputs: ['left', 'right', 'data'] },
        dense(3),
      ],
    ],
  ])('of %s has no issues', (_, layers) => {
    expect(check(layers)).toEqual([]);
  });
});

describe('a network of layers that do not fit', () => {
  const joined = (kind: 'add' | 'concat', ...layers: Layers): Layers => [
    ...layers,
    { kind, inputs: ['first', 'second'] },
    dense(3),
  ];

  it.each<[string, Layers, string, string]>([
    [
      'a name mistyped',
      [dense(4, { name: 'hidden' }), dense(3, { input: 'hiden' })],
      '/1/input',
      '"hiden" is no layer before this one (did you mean "hidden"?); there are "data", "hidden"',
    ],
    [
      'a name mistyped among several',
      [dense(4, { name: 'hidden' }), { kind: 'add', inputs: ['hidden', 'date'] }, dense(3)],
      '/1/inputs/1',
      '"date" is no layer before this one (did you mean "data"?); there are "data", "hidden"',
    ],
    [
      'a layer that comes later',
      [dense(4, { input: 'later' }), dense(4, { name: 'later' }), dense(3)],
      '/0/input',
      '"later" comes later or is the layer itself; a layer takes only those before it',
    ],
    [
      'itself as its input',
      [dense(4), { kind: 'add', inputs: ['me', 'data'], name: 'me' }, dense(3)],
      '/1/inputs/0',
      '"me" comes later or is the layer itself; a layer takes only those before it',
    ],
    [
      'a name twice',
      [dense(4, { name: 'twin' }), dense(4, { name: 'twin' }), dense(3)],
      '/1/name',
      'two layers are named "twin"; rename one',
    ],
    [
      'the name of the data',
      [dense(4, { name: 'data' }), dense(3)],
      '/0/name',
      '"data" is the name of the network\'s input; choose another',
    ],
    [
      'a layer that leads nowhere',
      [dense(4, { name: 'lost' }), dense(3, { input: 'data' })],
      '/0',
      'nothing takes the output of layer "lost" (dense); name it as an input of a later layer, or remove it',
    ],
    [
      'a chain that leads nowhere, told from its end',
      [dense(4), dense(5), dense(3, { input: 'data' })],
      '/1',
      'nothing takes the output of layer 1 (dense); name it as an input of a later layer, or remove it',
    ],
    [
      'flatten on flat features',
      [flatten, dense(3)],
      '/0',
      'layer 0 (flatten) takes an image, and its input is flat already; remove it; the data gives 64 features',
    ],
    [
      'dense on an image',
      [{ ...reshape, name: 'image' }, dense(3)],
      '/1',
      'layer 1 (dense) takes flat features; put a flatten layer before it; ' +
        'layer "image" (reshape) gives an image of 8 × 8 × 1 (height × width × channels)',
    ],
    [
      'a convolution of flat features',
      [dense(16), conv(3, { name: 'c' }), ...end],
      '/1',
      'layer "c" (conv2d) takes an image; put a reshape layer before it that gives the features a height and a width; ' +
        'layer 0 (dense) gives 16 features',
    ],
    [
      'a kernel larger than the image',
      [reshape, conv([3, 9]), ...end],
      '/1',
      'layer 1 (conv2d) has windows of 3 × 9, larger than the padded image of 8 × 8; use a smaller kernel or more ' +
        'padding; layer 0 (reshape) gives an image of 8 × 8 × 1 (height × width × channels)',
    ],
    [
      'a kernel that dilation makes too large',
      [reshape, conv(3, { dilation: 4, padding: [0, 1] }), ...end],
      '/1',
      'layer 1 (conv2d) has windows of 9 × 9, larger than the padded image of 8 × 10; use a smaller kernel or more ' +
        'padding; layer 0 (reshape) gives an image of 8 × 8 × 1 (height × width × channels)',
    ],
    [
      'a pool whose padding is more than half its kernel',
      [reshape, { kind: 'maxPool2d', kernel: 2, padding: [1, 2] }, ...end],
      '/1',
      'layer 1 (maxPool2d) has a padding of more than half its kernel; use less; ' +
        'layer 0 (reshape) gives an image of 8 × 8 × 1 (height × width × channels)',
    ],
    [
      'a reshape that does not multiply out',
      [{ kind: 'reshape', height: 8, width: 8, channels: 3 }, ...end],
      '/0',
      'layer 0 (reshape) makes images of 8 × 8 × 3 = 192 features; the data gives 64 features',
    ],
    [
      'a reshape of an image',
      [reshape, { kind: 'reshape', height: 4, width: 16 }, ...end],
      '/1',
      'layer 1 (reshape) takes flat features; put a flatten layer before it; ' +
        'layer 0 (reshape) gives an image of 8 × 8 × 1 (height × width × channels)',
    ],
    [
      'a sum of different widths',
      joined('add', dense(4, { name: 'first' }), dense(5, { name: 'second' })),
      '/2',
      'layer 2 (add) adds layers of one shape; ' +
        'layer "first" (dense) gives 4 features, layer "second" (dense) gives 5 features',
    ],
    [
      'a sum of images of different channels',
      joined('add', { ...reshape, name: 'first' }, conv(3, { padding: 1, name: 'second' })),
      '/2',
      'layer 2 (add) adds layers of one shape; ' +
        'layer "first" (reshape) gives an image of 8 × 8 × 1 (height × width × channels), ' +
        'layer "second" (conv2d) gives an image of 8 × 8 × 4 (height × width × channels)',
    ],
    [
      'images of different sizes side by side',
      joined('concat', { ...reshape, name: 'first' }, conv([3, 1], { name: 'second' })),
      '/2',
      'layer 2 (concat) joins flat features, or images of one height and width; ' +
        'layer "first" (reshape) gives an image of 8 × 8 × 1 (height × width × channels), ' +
        'layer "second" (conv2d) gives an image of 6 × 8 × 4 (height × width × channels)',
    ],
    [
      'an image beside flat features',
      joined('concat', dense(4, { name: 'first' }), { ...reshape, input: 'data', name: 'second' }),
      '/2',
      'layer 2 (concat) joins flat features, or images of one height and width; layer "first" (dense) gives 4 ' +
        'features, layer "second" (reshape) gives an image of 8 × 8 × 1 (height × width × channels)',
    ],
    [
      'an image at the end',
      [reshape, conv(3)],
      '/1',
      'the last layer (conv2d) gives an image of 6 × 6 × 4 (height × width × channels), but crossEntropy wants ' +
        'one output per class: 3 ("kind" has 3 classes: "cat", "dog", "owl"); end with a flatten and a dense layer of 3 units',
    ],
    [
      'too many outputs of a layer without units',
      [dense(4), { kind: 'batchNorm' }],
      '/1',
      'the last layer has 4 outputs, but crossEntropy wants one output per class: 3 ("kind" has 3 classes: "cat", "dog", ' +
        '"owl"); end with a dense layer of 3',
    ],
    [
      'a last activation that is not the link',
      [dense(3), { kind: 'activation', activation: { kind: 'tanh' } }],
      '/1/activation/kind',
      'crossEntropy puts softmax on the last layer itself; use "linear" or "softmax", not "tanh"',
    ],
  ])('names %s', (_, layers, at, detail) => {
    expect(check(layers)).toEqual([{ pointer: `#/model/layers${at}`, detail }]);
  });

  it('lists what is wrong with the names at once, up to a limit', () => {
    const names = Array.from({ length: 100 }, (_, i) => `nobody-${i}`);
    const lost = Array.from({ length: 400 }, () => ({ kind: 'add', inputs: names }) as const);
    const named = Array.from({ length: 400 }, (_, i) => dense(4, { name: `somebody-${i}` }));
    const before = performance.now();
    expect(check([...named, ...lost, dense(3)])).toHaveLength(50);
    expect(performance.now() - before).toBeLessThan(5000);
  });
});

describe('sizes past all sense', () => {
  /** Checked by what is known without allocating anything. */
  function refused(layers: Layers, training: object = {}): string[] {
    const spec: EngineSpec = specOf(3, { data: { target: 'kind' }, model: { layers }, training });
    const memory = process.memoryUsage().arrayBuffers;
    const before = performance.now();
    const found = checkSpec(spec, dataset, defaultLimits);
    expect(performance.now() - before).toBeLessThan(5000);
    expect(process.memoryUsage().arrayBuffers - memory).toBeLessThan(1e6);
    return found.map(({ detail }) => /\((\w+Max)\)/.exec(detail)?.[1] ?? detail);
  }
  const largest = 2 ** 31 - 1;

  it.each<[string, Layers, string[]]>([
    ['channels', [reshape, conv(3, { channels: largest }), ...end], ['parametersMax', 'bytesMax']],
    [
      'channels after channels',
      [reshape, conv(1, { channels: largest }), conv(1, { channels: largest }), ...end],
      ['parametersMax', 'bytesMax', 'flopsMax'],
    ],
    ['padding', [reshape, conv(1, { padding: 10_000 }), ...end], ['parametersMax', 'bytesMax']],
    [
      'a kernel',
      [reshape, conv(10_000, { padding: 10_000 }), ...end],
      ['parametersMax', 'bytesMax', 'kernelsMax', 'flopsMax'],
    ],
    [
      'a pool',
      [reshape, { kind: 'maxPool2d', kernel: 10_000, padding: 5000, stride: 1 }, ...end],
      ['bytesMax', 'kernelsMax'],
    ],
    [
      'strides, each place a kernel of the way back',
      [
        { kind: 'dense', units: 90_000 },
        { kind: 'reshape', height: 300, width: 300 },
        conv(1, { stride: 200 }),
        ...end,
      ],
      ['kernelsMax'],
    ],
    [
      'joins',
      [
        dense(3, { name: 'l0' }),
        ...Array.from(
          { length: 90 },
          (_, i) =>
            ({ kind: 'add', inputs: Array.from({ length: 100 }, () => `l${i}`), name: `l${i + 1}` }) as const,
        ),
        dense(3),
      ],
      ['kernelsMax'],
    ],
    [
      'widths that double a thousand times',
      [
        { kind: 'concat', inputs: ['data', 'data'], name: 'l0' },
        ...Array.from(
          { length: 997 },
          (_, i) =>
            ({
              kind: 'concat',
              inputs: Array.from({ length: 100 }, () => `l${i}`),
              name: `l${i + 1}`,
            }) as const,
        ),
        { kind: 'batchNorm' },
        dense(3),
      ],
      ['parametersMax', 'bytesMax', 'kernelsMax', 'flopsMax'],
    ],
  ])('of %s are refused at once', (_, layers, limits) => {
    expect(refused(layers)).toEqual(limits);
  });

  it('of a batch are refused where the images’ borders make the difference', () => {
    const wide: Layers = [reshape, conv(1, { padding: 1000, channels: 1, stride: 50 }), ...end];
    expect(refused(wide, { batchSize: 1 })).toEqual([]);
    expect(refused(wide, { batchSize: 70 })).toEqual(['bytesMax']);
  });
});
