import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeSafetensors, encodeSafetensors, floatsOf, floatTensor } from '../../../src/engine/state.ts';

const file = () =>
  encodeSafetensors(
    [
      floatTensor('layers.0.weight', [2, 3], Float32Array.from([1, -2, 0.5, Number.NaN, -0, 3e-45])),
      floatTensor('1', [1], Float32Array.from([Number.POSITIVE_INFINITY])),
      { name: 'bytes', dtype: 'U8', shape: [3], bytes: Uint8Array.from([1, 2, 3]) },
    ],
    { trainyard: '{"é":1}' },
  );

/** A file with this header text and as many data bytes. */
const crafted = (header: string, dataBytes: number): Uint8Array => {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
};

describe('safetensors', () => {
  it('gives back names, order, shapes, bits and metadata', () => {
    const { tensors, metadata } = decodeSafetensors(file());
    expect(metadata).toEqual({ trainyard: '{"é":1}' });
    expect(tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }))).toEqual([
      { name: 'layers.0.weight', dtype: 'F32', shape: [2, 3] },
      { name: '1', dtype: 'F32', shape: [1] },
      { name: 'bytes', dtype: 'U8', shape: [3] },
    ]);
    const [weight] = tensors;
    expect(weight && Array.from(floatsOf(weight))).toEqual([1, -2, 0.5, Number.NaN, -0, Math.fround(3e-45)]);
  });

  it('starts the data at a multiple of eight', () => {
    const header = new DataView(file().buffer).getBigUint64(0, true);
    expect(header % 8n).toBe(0n);
  });

  it('reads from a view that is not aligned', () => {
    const bytes = file();
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    expect(decodeSafetensors(shifted.subarray(1))).toEqual(decodeSafetensors(bytes));
  });

  it('refuses every truncation', () => {
    const bytes = file();
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeSafetensors(bytes.subarray(0, length))).toThrow('not a safetensors file');
    }
  });

  it.each([
    ['{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', 8],
    ['{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', 4],
    [
      '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
      4,
    ],
    ['{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 8],
    ['{"a":{"dtype":"Q7","shape":[1],"data_offsets":[0,4]}}', 4],
    ['{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', 4],
    ['{"a":{"dtype":"F32","shape":[1]}}', 4],
    ['{"a":null}', 0],
    ['[]', 0],
    ['nonsense', 0],
  ])('refuses %s', (header, bytes) => {
    expect(() => decodeSafetensors(crafted(header, bytes))).toThrow('not a safetensors file');
  });

  it('refuses to write what could not be read', () => {
    const tensor = floatTensor('a', [1], new Float32Array(1));
    expect(() => encodeSafetensors([tensor, tensor])).toThrow('two tensors');
    expect(() => encodeSafetensors([{ ...tensor, shape: [2] }])).toThrow('do not fit');
  });

  it('round-trips any tensors', () => {
    const tensors = fc.uniqueArray(
      fc.record({ name: fc.string(), values: fc.float32Array({ maxLength: 20 }) }),
      { selector: ({ name }) => name },
    );
    fc.assert(
      fc.property(tensors, (given) => {
        const named = given.filter(({ name }) => name !== '__metadata__');
        const made = named.map(({ name, values }) => floatTensor(name, [values.length], values));
        const read = decodeSafetensors(encodeSafetensors(made));
        const wanted = named.map(({ name, values }) => [
          name,
          Array.from(new Uint8Array(values.slice().buffer)),
        ]);
        const sortable = (pairs: unknown[]) => pairs.map((pair) => JSON.stringify(pair)).sort();
        expect(sortable(read.tensors.map(({ name, bytes }) => [name, Array.from(bytes)]))).toEqual(
          sortable(wanted),
        );
      }),
    );
  });

  it('opens with twenty lines of Python', () => {
    const script = `
import json, struct, sys
raw = sys.stdin.buffer.read()
n = struct.unpack('<Q', raw[:8])[0]
header = json.loads(raw[8:8 + n])
data = raw[8 + n:]
begin, end = header['layers.0.weight']['data_offsets']
print(json.dumps([header['__metadata__']['trainyard'], struct.unpack('<3f', data[begin:begin + 12])]))
`;
    const python = spawnSync('python3', ['-c', script], { input: file() });
    if (python.error) return expect(python.error).toMatchObject({ code: 'ENOENT' });
    expect(python.stderr.toString()).toBe('');
    expect(JSON.parse(python.stdout.toString())).toEqual(['{"é":1}', [1, -2, 0.5]]);
  });
});
