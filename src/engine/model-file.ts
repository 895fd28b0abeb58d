/**
 * A trained model as one safetensors file: parameters named as in the plan (`layers.0.weight` is [units, inputs], as
 * in PyTorch), and in the metadata the spec and the fitted preprocessing, which is all that predicting takes.
 */
import { z } from 'zod';
import type { ParameterInfo } from './kernels.ts';
import { type Preprocessing, preprocessingSchema } from './preprocessing.ts';
import type { ResolvedSpec } from './resolve.ts';
import { engineSpec } from './spec.ts';
import { decodeSafetensors, encodeSafetensors, floatsOf, floatTensor } from './state.ts';

const FORMAT_VERSION = 1;
const METADATA_KEY = 'trainyard';

const content = z.strictObject({
  formatVersion: z.literal(FORMAT_VERSION),
  spec: engineSpec.required({ loss: true, metrics: true }),
  preprocessing: preprocessingSchema,
});

export interface Model {
  readonly spec: ResolvedSpec;
  readonly preprocessing: Preprocessing;
  readonly parameters: ReadonlyMap<string, Float32Array>;
}

export function encodeModel(at: {
  readonly spec: ResolvedSpec;
  readonly preprocessing: Preprocessing;
  readonly parameters: readonly ParameterInfo[];
  /** Logical values, in the order of `parameters`. */
  readonly values: readonly Float32Array[];
}): Uint8Array {
  const { spec, preprocessing, parameters, values } = at;
  const tensors = parameters.map(({ name, shape }, i) =>
    floatTensor(name, shape, values[i] ?? new Float32Array()),
  );
  const metadata = JSON.stringify({ formatVersion: FORMAT_VERSION, spec, preprocessing });
  return encodeSafetensors(tensors, { [METADATA_KEY]: metadata });
}

/** Throws where the bytes are no model file of this version. */
export function decodeModel(bytes: Uint8Array): Model {
  const { tensors, metadata } = decodeSafetensors(bytes);
  const parsed = content.safeParse(JSON.parse(metadata[METADATA_KEY] ?? 'null'));
  if (!parsed.success) throw new Error('not a model file of this version');
  const { spec, preprocessing } = parsed.data;
  return { spec, preprocessing, parameters: new Map(tensors.map((t) => [t.name, floatsOf(t)])) };
}
