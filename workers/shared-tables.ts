// The tables that a run computes on, in memory that every thread of the process can use. WebAssembly reads only its
// own memory, so for it they lie there; the other back ends read any.
import { z } from 'zod';
import { codedLength } from '../src/engine/coded-table.ts';
import { adoptTables, allocateTables } from '../src/engine/codegen/wasm/tables.ts';
import type { ResidentData } from '../src/engine/kernels.ts';
import type { TablesShape } from '../src/engine/prepare.ts';
import type { WorkerBackend } from './engine-backend.ts';

const floats = z.instanceof(Float32Array<SharedArrayBuffer>);
const bytes = z.instanceof(Uint8Array<SharedArrayBuffer>);

const wasmMemory = z.custom<Parameters<typeof adoptTables>[0]['memory']>(
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    'buffer' in value &&
    value.buffer instanceof SharedArrayBuffer,
);

/** Can be sent to other threads. */
export const sharedTables = z.discriminatedUnion('in', [
  z.object({
    in: z.literal('wasm'),
    memory: wasmMemory,
    rows: z.int(),
    featuresLength: z.int(),
    coded: z.boolean(),
    targetsLength: z.int(),
  }),
  z.object({ in: z.literal('shared'), rows: z.int(), features: z.union([floats, bytes]), targets: floats }),
]);
export type SharedTables = z.output<typeof sharedTables>;

/** Throws RangeError where the back end cannot reach so much. */
export function allocateShared(
  backend: WorkerBackend,
  { rows, featureCount, targetCount, coded }: TablesShape,
): { readonly data: ResidentData; readonly tables: SharedTables } {
  const features = coded ? codedLength(rows, featureCount) : rows * featureCount;
  const targets = rows * targetCount;
  if (backend === 'wasm') {
    const { data, handle } = allocateTables(rows, features, targets, { coded });
    return { data, tables: { in: 'wasm', ...handle } };
  }
  const floatsOf = (length: number) =>
    new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
  const data = {
    rows,
    features: coded ? new Uint8Array(new SharedArrayBuffer(features)) : floatsOf(features),
    targets: floatsOf(targets),
  };
  return { data, tables: { in: 'shared', ...data } };
}

export function adoptShared(tables: SharedTables): ResidentData {
  return tables.in === 'wasm' ? adoptTables(tables).data : tables;
}

export function byteLengthOf(tables: SharedTables): number {
  if (tables.in === 'shared') return tables.features.byteLength + tables.targets.byteLength;
  const { coded, featuresLength, targetsLength } = tables;
  return featuresLength * (coded ? 1 : 4) + targetsLength * 4;
}
