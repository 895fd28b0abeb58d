/**
 * A training's whole state between two epochs, as safetensors: parameters, optimiser slots, best parameters, and
 * every counter, with the spec it belongs to. Written for one spec, it is refused under any other.
 */
import { z } from 'zod';
import { canonicalJson } from './canonical-json.ts';
import type { WatchState } from './early-stopping.ts';
import type { Plan } from './kernels.ts';
import { countOf, type ParameterState } from './parameters.ts';
import type { ResolvedSpec } from './resolve.ts';
import { decodeSafetensors, encodeSafetensors, floatsOf, floatTensor, type Tensor } from './state.ts';

export type StopReason = 'completed' | 'earlyStopped' | 'diverged';

export interface TrainingState {
  /** Finished epochs and steps. */
  readonly epoch: number;
  readonly step: number;
  readonly stopReason: StopReason | null;
  readonly watch: WatchState;
  readonly parameters: ParameterState;
  /** Values at the best epoch, if they are to be restored. */
  readonly best: readonly Float32Array[] | null;
}

const FORMAT_VERSION = 1;
const METADATA_KEY = 'trainyard';

const counters = z.strictObject({
  format: z.literal('checkpoint'),
  formatVersion: z.literal(FORMAT_VERSION),
  spec: z.string(),
  epoch: z.int().min(0),
  step: z.int().min(0),
  stopReason: z.enum(['completed', 'earlyStopped', 'diverged']).nullable(),
  watch: z.strictObject({
    bestEpoch: z.int().nullable(),
    bestValue: z.number().nullable(), // only finite values are ever kept, and JSON carries those exactly
    epochsSinceBest: z.int(),
  }),
  best: z.boolean(),
});

export function encodeCheckpoint(plan: Plan, spec: ResolvedSpec, state: TrainingState): Uint8Array {
  const { epoch, step, stopReason, watch, parameters, best } = state;
  const tensors = plan.parameters.flatMap(({ name, shape, slots }, i): Tensor[] => [
    tensorOf(name, shape, parameters.values[i]),
    ...Object.keys(slots).map((slot) => tensorOf(slotName(name, slot), shape, parameters.slots[i]?.[slot])),
    ...(best === null ? [] : [tensorOf(bestName(name), shape, best[i])]),
  ]);
  const content: z.input<typeof counters> = {
    format: 'checkpoint',
    formatVersion: FORMAT_VERSION,
    spec: canonicalJson(spec),
    epoch,
    step,
    stopReason,
    watch,
    best: best !== null,
  };
  return encodeSafetensors(tensors, { [METADATA_KEY]: JSON.stringify(content) });
}

/** Throws where the bytes are no checkpoint, or one of another spec, version or network. */
export function decodeCheckpoint(plan: Plan, spec: ResolvedSpec, bytes: Uint8Array): TrainingState {
  const { tensors, metadata } = decodeSafetensors(bytes);
  const content = counters.safeParse(JSON.parse(metadata[METADATA_KEY] ?? 'null'));
  if (!content.success) throw new Error('not a checkpoint of this version');
  const { epoch, step, stopReason, watch, best } = content.data;
  if (content.data.spec !== canonicalJson(spec)) throw new Error('the checkpoint belongs to another spec');
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const read = (name: string, shape: readonly number[]): Float32Array => {
    const tensor = byName.get(name);
    if (tensor === undefined || tensor.shape.join() !== shape.join()) {
      throw new Error(`the checkpoint has no ${name} [${shape.join(', ')}]`);
    }
    return floatsOf(tensor);
  };
  return {
    epoch,
    step,
    stopReason,
    watch,
    parameters: {
      values: plan.parameters.map(({ name, shape }) => read(name, shape)),
      slots: plan.parameters.map(({ name, shape, slots }) =>
        Object.fromEntries(Object.keys(slots).map((slot) => [slot, read(slotName(name, slot), shape)])),
      ),
    },
    best: best ? plan.parameters.map(({ name, shape }) => read(bestName(name), shape)) : null,
  };
}

const slotName = (parameter: string, slot: string): string => `slots.${parameter}.${slot}`;
const bestName = (parameter: string): string => `best.${parameter}`;

function tensorOf(name: string, shape: readonly number[], values: Float32Array | undefined): Tensor {
  if (values?.length !== countOf(shape)) throw new Error(`${name}: no values of shape [${shape.join(', ')}]`);
  return floatTensor(name, shape, values);
}
