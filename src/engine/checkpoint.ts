/**
 * A training's whole state between two steps, as safetensors: parameters, optimiser slots, best parameters, and
 * every counter, with the spec it belongs to; within an epoch also what that epoch started from and has summed up.
 * Written for one spec, it is refused under any other.
 */
import { z } from 'zod';
import { canonicalJson } from './canonical-json.ts';
import type { WatchState } from './early-stopping.ts';
import type { BufferId, ParameterInfo, Plan } from './kernels.ts';
import { type BufferReader, countOf, type ParameterState } from './parameters.ts';
import type { ResolvedSpec } from './resolve.ts';
import {
  decodeSafetensors,
  doublesOf,
  floatsOf,
  type Tensor,
  type TensorSource,
  writeSafetensors,
} from './state.ts';
import type { StepsDone } from './steps.ts';

const stopReasons = ['completed', 'earlyStopped', 'budget', 'diverged'] as const;
export type StopReason = (typeof stopReasons)[number];

/** What is known of a training besides the parameters and slots that its executor holds. */
export interface TrainingState {
  /** Finished epochs, and the steps that they took. */
  readonly epoch: number;
  readonly step: number;
  /** How far the next epoch has come; null between epochs. A budget may end the training there. */
  readonly within: StepsDone | null;
  readonly stopReason: StopReason | null;
  readonly watch: WatchState;
  /** Values after the last finished epoch. */
  readonly values: readonly Float32Array[];
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
  stepsWithin: z.int().min(0).nullable().default(null),
  stopReason: z.enum(stopReasons).nullable(),
  watch: z.strictObject({
    bestEpoch: z.int().nullable(),
    bestValue: z.number().nullable(), // only finite values are ever kept, and JSON carries those exactly
    epochsSinceBest: z.int(),
  }),
  best: z.boolean(),
});

/** `read` reads what the executor holds; `allocate` gives the memory for so many bytes. */
export function encodeCheckpoint(
  plan: Plan,
  spec: ResolvedSpec,
  state: TrainingState,
  read: BufferReader,
  allocate?: (byteLength: number) => Uint8Array,
): Uint8Array {
  const { epoch, step, within, stopReason, watch, values, best } = state;
  // Between epochs the values are read already, unless the best ones have taken their place in the executor.
  const known = within === null && stopReason === null;
  const tensors = plan.parameters.flatMap((p, i): TensorSource[] => [
    known ? keptTensor(p.name, p, values[i]) : heldTensor(p.name, p, p.buffer, read),
    ...Object.entries(p.slots).map(([slot, id]) => heldTensor(slotName(p.name, slot), p, id, read)),
    ...(within === null ? [] : [keptTensor(startName(p.name), p, values[i])]),
    ...(best === null ? [] : [keptTensor(bestName(p.name), p, best[i])]),
  ]);
  const content: z.input<typeof counters> = {
    format: 'checkpoint',
    formatVersion: FORMAT_VERSION,
    spec: canonicalJson(spec),
    epoch,
    step,
    stepsWithin: within?.steps ?? null,
    stopReason,
    watch,
    best: best !== null,
  };
  // Doubles first: what follows them is aligned to either.
  const all = within === null ? tensors : [sumsTensor(within.sums), ...tensors];
  return writeSafetensors(all, { [METADATA_KEY]: JSON.stringify(content) }, allocate);
}

export interface DecodedCheckpoint {
  readonly state: TrainingState;
  /** What the executor held. */
  readonly current: ParameterState;
}

/** Throws where the bytes are no checkpoint, or one of another spec, version or network. */
export function decodeCheckpoint(plan: Plan, spec: ResolvedSpec, bytes: Uint8Array): DecodedCheckpoint {
  const { tensors, metadata } = decodeSafetensors(bytes);
  const content = counters.safeParse(JSON.parse(metadata[METADATA_KEY] ?? 'null'));
  if (!content.success) throw new Error('not a checkpoint of this version');
  const { epoch, step, stepsWithin, stopReason, watch, best } = content.data;
  if (content.data.spec !== canonicalJson(spec)) throw new Error('the checkpoint belongs to another spec');
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const find = (name: string, shape: readonly number[]): Tensor => {
    const tensor = byName.get(name);
    if (tensor === undefined || tensor.shape.join() !== shape.join()) {
      throw new Error(`the checkpoint has no ${name} [${shape.join(', ')}]`);
    }
    return tensor;
  };
  const read = (name: string, shape: readonly number[]): Float32Array => floatsOf(find(name, shape));
  const outputs = plan.programs.train.outputs.length;
  const within = stepsWithin === null ? null : { steps: stepsWithin, sums: doublesOf(find(SUMS, [outputs])) };
  const values = plan.parameters.map(({ name, shape }) => read(name, shape));
  const slots = plan.parameters.map(({ name, shape, slots }) =>
    Object.fromEntries(Object.keys(slots).map((slot) => [slot, read(slotName(name, slot), shape)])),
  );
  const state = {
    epoch,
    step,
    within,
    stopReason,
    watch,
    values: within === null ? values : plan.parameters.map((p) => read(startName(p.name), p.shape)),
    best: best ? plan.parameters.map(({ name, shape }) => read(bestName(name), shape)) : null,
  };
  return { state, current: { values, slots } };
}

const slotName = (parameter: string, slot: string): string => `slots.${parameter}.${slot}`;
const bestName = (parameter: string): string => `best.${parameter}`;
/** Before the epoch that is under way. */
const startName = (parameter: string): string => `start.${parameter}`;
/** Of the epoch that is under way, by output of the training step. */
const SUMS = 'sums';

/** What the executor holds in a buffer. */
function heldTensor(name: string, p: ParameterInfo, buffer: BufferId, read: BufferReader): TensorSource {
  const write = ({ buffer: memory, byteOffset, byteLength }: Uint8Array) =>
    read(p, buffer, new Float32Array(memory, byteOffset, byteLength / Float32Array.BYTES_PER_ELEMENT));
  return { name, dtype: 'F32', shape: p.shape, write };
}

function keptTensor(name: string, { shape }: ParameterInfo, values: Float32Array | undefined): TensorSource {
  if (values?.length !== countOf(shape)) throw new Error(`${name}: no values of shape [${shape.join(', ')}]`);
  return { name, dtype: 'F32', shape, write: (bytes) => bytes.set(bytesOf(values)) };
}

function sumsTensor(sums: Float64Array): TensorSource {
  return { name: SUMS, dtype: 'F64', shape: [sums.length], write: (bytes) => bytes.set(bytesOf(sums)) };
}

/** The engine runs on little-endian machines only; see state.ts. */
function bytesOf({ buffer, byteOffset, byteLength }: Float32Array | Float64Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
