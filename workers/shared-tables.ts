// The tables that a run computes on, in memory that every thread of the process can use. WebAssembly reads only its
// own memory, so for it they lie there; the other back ends read any.
import { z } from 'zod';
import { adoptTables, allocateTables } from '../src/engine/codegen/wasm/tables.ts';
import type { ResidentData } from '../src/engine/kernels.ts';
import type { WorkerBackend } from './engine-backend.ts';

const floats = z.instanceof(Float32Array<SharedArrayBuffer>);

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
    targetsLength: z.int(),
  }),
  z.object({ in: z.literal('shared'), rows: z.int(), features: floats, targets: floats }),
]);
export type SharedTables = z.output<typeof sharedTables>;

/** Throws RangeError where the back end cannot reach so much. */
export function allocateShared(
  backend: WorkerBackend,
  rows: number,
  featureCount: number,
  targetCount: number,
): { readonly data: ResidentData; readonly tables: SharedTables } {
  const [features, targets] = [rows * featureCount, rows * targetCount];
  if (backend === 'wasm') {
    const { data, handle } = allocateTables(rows, features, targets);
    return { data, tables: { in: 'wasm', ...handle } };
  }
  const own = (length: number) =>
    new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
  const data = { rows, features: own(features), targets: own(targets) };
  return { data, tables: { in: 'shared', ...data } };
}

export function adoptShared(tables: SharedTables): ResidentData {
  return tables.in === 'wasm' ? adoptTables(tables).data : tables;
}

export function byteLengthOf(tables: SharedTables): number {
  return tables.in === 'wasm'
    ? (tables.featuresLength + tables.targetsLength) * Float32Array.BYTES_PER_ELEMENT
    : tables.features.byteLength + tables.targets.byteLength;
}
