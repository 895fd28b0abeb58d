/**
 * The safetensors container: an 8-byte little-endian header length, a JSON header padded with spaces to a multiple of
 * 8, then the tensors' bytes one after another without gaps (https://huggingface.co/docs/safetensors).
 * Tensors lie in the order given and the header is written in that order, so equal content is equal bytes.
 * Refuses on reading what the format refuses: gaps, overlaps, sizes that do not match, duplicate names.
 */
const ITEM_BYTES = { F64: 8, F32: 4, I64: 8, I32: 4, U8: 1 } as const;
export type TensorType = keyof typeof ITEM_BYTES;

export interface Tensor {
  readonly name: string;
  readonly dtype: TensorType;
  readonly shape: readonly number[];
  /** Little-endian, row-major. */
  readonly bytes: Uint8Array;
}

export interface SafetensorsFile {
  readonly tensors: readonly Tensor[];
  readonly metadata: Readonly<Record<string, string>>;
}

const LENGTH_BYTES = 8;
const ALIGNMENT = 8;
const METADATA = '__metadata__';

/** A tensor whose bytes are yet to be written. */
export interface TensorSource {
  readonly name: string;
  readonly dtype: TensorType;
  readonly shape: readonly number[];
  /** Fills all of them; they are aligned to an item if the tensors before are of no smaller ones. */
  write(bytes: Uint8Array): void;
}

/** Throws where a tensor's bytes do not match its shape or two share a name. */
export function encodeSafetensors(
  tensors: readonly Tensor[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  for (const { name, dtype, shape, bytes } of tensors) {
    if (byteLengthOf(dtype, shape) !== bytes.byteLength) {
      throw new Error(`${name}: ${bytes.byteLength} bytes do not fit ${dtype} [${shape.join(', ')}]`);
    }
  }
  const sources = tensors.map(({ bytes, ...tensor }) => ({
    ...tensor,
    write: (into: Uint8Array) => into.set(bytes),
  }));
  return writeSafetensors(sources, metadata);
}

/** `allocate` gives the memory for so many bytes, zeros or not. Throws where two tensors share a name. */
export function writeSafetensors(
  tensors: readonly TensorSource[],
  metadata: Readonly<Record<string, string>>,
  allocate: (byteLength: number) => Uint8Array = (byteLength) => new Uint8Array(byteLength),
): Uint8Array {
  const names = new Set([METADATA]);
  let offset = 0;
  // Written by hand: an object would put integer-like names first.
  const members = [`${JSON.stringify(METADATA)}:${JSON.stringify(metadata)}`];
  for (const { name, dtype, shape } of tensors) {
    if (names.has(name)) throw new Error(`two tensors are named ${name}`);
    names.add(name);
    const end = offset + byteLengthOf(dtype, shape);
    members.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [offset, end] })}`);
    offset = end;
  }
  const header = new TextEncoder().encode(`{${members.join(',')}}`);
  const headerLength = Math.ceil(header.byteLength / ALIGNMENT) * ALIGNMENT;
  const file = allocate(LENGTH_BYTES + headerLength + offset);
  new DataView(file.buffer, file.byteOffset).setBigUint64(0, BigInt(headerLength), true);
  file.fill(0x20, LENGTH_BYTES, LENGTH_BYTES + headerLength);
  file.set(header, LENGTH_BYTES);
  let at = LENGTH_BYTES + headerLength;
  for (const { dtype, shape, write } of tensors) {
    const end = at + byteLengthOf(dtype, shape);
    write(file.subarray(at, end));
    at = end;
  }
  return file;
}

/** The tensors in the order of their bytes, as views into `file`. Throws on anything but a whole, valid file. */
export function decodeSafetensors(file: Uint8Array): SafetensorsFile {
  if (file.byteLength < LENGTH_BYTES) throw malformed('it is shorter than its header length');
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const headerLength = Number(view.getBigUint64(0, true));
  const start = LENGTH_BYTES + headerLength;
  if (start > file.byteLength) throw malformed('the header does not fit');
  const data = file.subarray(start);
  const tensors: { offset: number; tensor: Tensor }[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, entry] of Object.entries(parseHeader(file.subarray(LENGTH_BYTES, start)))) {
    if (name === METADATA) metadata = stringMap(entry);
    else tensors.push(tensorOf(name, entry, data));
  }
  tensors.sort((a, b) => a.offset - b.offset || a.tensor.bytes.byteLength - b.tensor.bytes.byteLength);
  let end = 0;
  for (const { offset, tensor } of tensors) {
    if (offset !== end) throw malformed(`${tensor.name} does not start where the one before it ends`);
    end += tensor.bytes.byteLength;
  }
  if (end !== data.byteLength) throw malformed('the tensors do not fill the file');
  return { tensors: tensors.map(({ tensor }) => tensor), metadata };
}

/** An F32 tensor of these values. The engine runs on little-endian machines only, as all that run WASM well are. */
export function floatTensor(name: string, shape: readonly number[], values: Float32Array): Tensor {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { name, dtype: 'F32', shape, bytes };
}

/** The values of an F32 tensor, copied (its bytes need not be aligned). */
export function floatsOf(tensor: Tensor): Float32Array {
  return new Float32Array(copyOf(tensor, 'F32'));
}

export function doublesOf(tensor: Tensor): Float64Array {
  return new Float64Array(copyOf(tensor, 'F64'));
}

function copyOf({ name, dtype, bytes }: Tensor, wanted: TensorType): ArrayBuffer {
  if (dtype !== wanted) throw malformed(`${name} is ${dtype}, not ${wanted}`);
  return new Uint8Array(bytes).buffer;
}

const malformed = (why: string): Error => new Error(`not a safetensors file: ${why}`);

const byteLengthOf = (dtype: TensorType, shape: readonly number[]): number =>
  shape.reduce((product, extent) => product * extent, ITEM_BYTES[dtype]);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw malformed('the header is not JSON');
  }
  if (!isRecord(header)) throw malformed('the header is not an object');
  return header;
}

function stringMap(value: unknown): Record<string, string> {
  if (!isRecord(value)) throw malformed('its metadata is not an object');
  return Object.fromEntries(Object.entries(value).map(([key, text]) => [key, String(text)]));
}

function tensorOf(name: string, entry: unknown, data: Uint8Array): { offset: number; tensor: Tensor } {
  if (!isRecord(entry)) throw malformed(`${name} is not described`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string' || !Object.hasOwn(ITEM_BYTES, dtype))
    throw malformed(`${name} has an unknown type`);
  if (!Array.isArray(shape) || !shape.every(isCount)) throw malformed(`${name} has no shape`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw malformed(`${name} has no place`);
  }
  const [begin = 0, end = 0] = offsets;
  const type = dtype as TensorType;
  if (end > data.byteLength || end - begin !== byteLengthOf(type, shape))
    throw malformed(`${name} does not fit`);
  return { offset: begin, tensor: { name, dtype: type, shape, bytes: data.subarray(begin, end) } };
}
