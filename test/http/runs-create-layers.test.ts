import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { manyFlowers, specFor, startService, submit, type TestService, upload } from './support/service.ts';

describe('POST /v1/runs', () => {
  let service: TestService;
  let dataset: string;

  beforeAll(async () => {
    service = await startService();
    dataset = await upload(service, manyFlowers());
  });
  afterAll(() => service.stop());

  const submitLayers = (layers: readonly object[]) =>
    submit(service, specFor(dataset, { model: { layers } }));
  const dense = (units: number, more: object = {}) => ({ kind: 'dense', units, ...more });
  const reshape = { kind: 'reshape', height: 1, width: 2 };
  const conv = (more: object) => ({ kind: 'conv2d', channels: 2, kernel: 1, ...more });
  const flatten = { kind: 'flatten' };

  it('takes a graph of layers, and gives it back with its defaults', async () => {
    const answer = await submitLayers([
      { ...reshape, name: 'image' },
      conv({ activation: { kind: 'relu' } }),
      { kind: 'batchNorm', name: 'normal' },
      { kind: 'concat', inputs: ['image', 'normal'] },
      flatten,
      { kind: 'dropout' },
      dense(2),
    ]);
    expect(answer.statusCode, answer.body).toBe(201);
    const { layers } = answer.json().spec.model;
    expect(layers[1]).toEqual({
      kind: 'conv2d',
      channels: 2,
      kernel: 1,
      stride: 1,
      padding: 0,
      dilation: 1,
      activation: { kind: 'relu' },
      bias: { kind: 'zeros' },
    });
    expect(layers[2]).toEqual({ kind: 'batchNorm', name: 'normal', momentum: 0.1, epsilon: 1e-5 });
    expect(layers[5]).toEqual({ kind: 'dropout', probability: 0.5, scaling: 'training' });
  });

  it.each<[string, readonly object[], string, RegExp]>([
    [
      'a name that no layer has',
      [dense(4, { name: 'hidden' }), dense(2, { input: 'hiden' })],
      '/1/input',
      /did you mean "hidden"/,
    ],
    [
      'a later layer as its input',
      [dense(4, { input: 'b' }), dense(2, { name: 'b' })],
      '/0/input',
      /comes later/,
    ],
    [
      'one name for two',
      [dense(4, { name: 'a' }), dense(2, { name: 'a' })],
      '/1/name',
      /two layers are named "a"/,
    ],
    ['the name of the data', [dense(4, { name: 'data' }), dense(2)], '/0/name', /network's input/],
    [
      'a layer nobody takes',
      [dense(4), dense(2, { input: 'data' })],
      '/0',
      /nothing takes the output of layer 0/,
    ],
    [
      'a dense layer on an image',
      [reshape, dense(2)],
      '/1',
      /layer 1 \(dense\) takes flat.*layer 0 \(reshape\) gives/,
    ],
    [
      'a kernel past the image',
      [reshape, conv({ kernel: [1, 3] }), flatten, dense(2)],
      '/1',
      /1 × 3.*of 1 × 2/,
    ],
    ['an image at the end', [reshape, conv({})], '/1', /gives an image.*flatten/],
    ['no height', [{ ...reshape, height: 0 }, flatten, dense(2)], '/0/height', /at least 1/],
    [
      'no kernel',
      [reshape, conv({ kernel: 0 }), flatten, dense(2)],
      '/1/kernel',
      /0 given; it has to be at least 1/,
    ],
    ['half a kernel', [reshape, conv({ kernel: [1] }), flatten, dense(2)], '/1/kernel', /at least 2 entries/],
    [
      'a kernel of text',
      [reshape, conv({ kernel: '3' }), flatten, dense(2)],
      '/1/kernel',
      /a number or an array/,
    ],
    ['a stride of none', [reshape, conv({ stride: [1, 0] }), flatten, dense(2)], '/1/stride/1', /at least 1/],
    [
      'one input to add',
      [dense(4, { name: 'a' }), { kind: 'add', inputs: ['a'] }, dense(2)],
      '/1/inputs',
      /2 entries/,
    ],
    [
      'a probability of one',
      [{ kind: 'dropout', probability: 1 }, dense(2)],
      '/0/probability',
      /less than 1/,
    ],
    ['a name of spaces', [dense(4, { name: 'a b' }), dense(2)], '/0/name', /letters, digits/],
    [
      'an unknown key',
      [reshape, conv({ strides: 2 }), flatten, dense(2)],
      '/1/strides',
      /did you mean "stride"/,
    ],
    [
      'channels past all memory',
      [reshape, conv({ channels: 2 ** 31 - 1 }), flatten, dense(2)],
      '',
      /bytesMax/,
    ],
    [
      'a kernel of a hundred million numbers',
      [reshape, conv({ kernel: 10_000, padding: 10_000 }), flatten, dense(2)],
      '',
      /kernelsMax/,
    ],
    ['a thousand layers and one', Array.from({ length: 1001 }, () => dense(2)), '', /at most 1000/],
  ])('with %s is a 422 that points at it, at once', async (_, layers, at, detail) => {
    const before = performance.now();
    const answer = await submitLayers(layers);
    expect(performance.now() - before).toBeLessThan(5000);
    expect(answer.statusCode, answer.body).toBe(422);
    const pointer = `#/model/layers${at}`;
    const found = answer.json().errors.filter((issue: { pointer: string }) => issue.pointer === pointer);
    const details = found.map((issue: { detail: string }) => issue.detail).join('\n');
    expect(details, answer.body).toMatch(detail);
  });
});
