/**
 * A graph compiled for tests, without a loss: `train` computes the output and, from a cotangent of it that the test
 * writes, the gradient of every trained parameter, which is then in the parameter's slot `gradient`; `evaluate` computes
 * the output as at inference. Parameters stay what they are, but for statistics.
 */
import { emitBackward, keptForBackward } from '../../../src/engine/backward.ts';
import { createBufferTable } from '../../../src/engine/buffers.ts';
import { emitForward, KEEP_NOTHING } from '../../../src/engine/forward.ts';
import type { Update } from '../../../src/engine/gradients.ts';
import type { Graph, Node, Parameter } from '../../../src/engine/graph.ts';
import { createGraph, reachable } from '../../../src/engine/graph.ts';
import type { BufferId, Kernel, ParameterInfo, Plan, StepBatch } from '../../../src/engine/kernels.ts';
import { keyNames, keyScalars } from '../../../src/engine/lane-random.ts';
import { inferenceOf, mergeMaps } from '../../../src/engine/modes.ts';
import { createNetwork, createPlacement } from '../../../src/engine/network.ts';

export interface CompiledGraph {
  readonly plan: Plan;
  /** Of the output, batchSize × its columns. */
  readonly cotangent: BufferId;
  /** In training, and at inference: often one buffer. */
  readonly output: BufferId;
  readonly inference: BufferId;
}

/** How a test's parameter becomes its next value. */
export type MakeUpdate = (at: {
  readonly buffers: ReturnType<typeof createBufferTable>;
  readonly info: (p: Parameter) => ParameterInfo;
}) => Update;

/** Stores each gradient and leaves the parameters alone. */
const keepGradients: MakeUpdate = ({ info }) => ({
  together: null,
  outputs: (p, gradient) => [
    { expr: gradient, target: { to: 'buffer', buffer: info(p).slots.gradient ?? -1 } },
  ],
  sources: () => ({}),
});

export interface GraphSetting {
  readonly batchSize: number;
  /** Columns of the data. */
  readonly features: number;
  readonly build: (graph: Graph) => Node;
  /** Parameters that lie in their buffer as they are written, rows first. */
  readonly asWritten?: ReadonlySet<string>;
  /** Instead of keeping the gradients: the slots that the update uses, the scalars it reads first in each step. */
  readonly update?: {
    readonly make: MakeUpdate;
    readonly slots: readonly string[];
    readonly inputs: readonly string[];
  };
}

export function compileGraph(at: GraphSetting): CompiledGraph {
  const { batchSize, features, asWritten = new Set(), update } = at;
  const graph = createGraph(features);
  const output = graph.node(at.build(graph));
  const buffers = createBufferTable(batchSize, 16);
  const place = (p: Parameter, name: string): BufferId => {
    const [units = 0, inputs, ...window] = p.shape;
    const rows = window.reduce((product, n) => product * n, inputs ?? 1);
    return inputs === undefined ? buffers.vector(name, units) : buffers.matrix(name, rows, units);
  };
  const slotNames = update?.slots ?? ['gradient'];
  const parameters = graph.parameters.map((p): ParameterInfo => {
    const trained = p.role !== 'statistic';
    return {
      name: p.name,
      shape: p.shape,
      trained,
      buffer: place(p, p.name),
      transposed: p.shape.length > 1 && !asWritten.has(p.name),
      slots: trained ? Object.fromEntries(slotNames.map((s) => [s, place(p, `${s} of ${p.name}`)])) : {},
      fanIn: p.fanIn,
      fanOut: p.fanOut,
      initializer: p.initializer,
    };
  });
  const info = (p: Parameter): ParameterInfo => {
    const found = parameters[graph.parameters.indexOf(p)];
    if (found === undefined) throw new Error(`no parameter ${p.name}`);
    return found;
  };
  const nodes = reachable(graph, [output]);
  const streams = nodes.flatMap((n) => (n.op === 'map' ? [...n.random] : []));
  const inputs = [...(update?.inputs ?? []), 'rows', ...streams.flatMap(keyNames)];
  const placement = createPlacement({
    buffers,
    coded: false,
    parameter: (p) => info(p).buffer,
    scalar: (name) => (inputs.includes(name) ? { from: 'stepInput', slot: inputs.indexOf(name) } : null),
  });
  const training = createNetwork(mergeMaps({ nodes, output }, true), placement);
  const inference = createNetwork(mergeMaps(inferenceOf({ nodes, output }), false), placement);
  const cotangent = buffers.matrix('cotangent', 'batch', output.features);
  const kept = keptForBackward(training);
  const train = [
    ...emitForward(training, kept),
    ...emitBackward(training, cotangent, (update?.make ?? keepGradients)({ buffers, info }), kept),
  ];
  const evaluate = emitForward(inference, KEEP_NOTHING);
  const program = (kernels: readonly Kernel[], own: readonly string[]) => ({
    kernels,
    inputs: own,
    outputs: [],
    flops: 0,
  });
  const outputs = {
    training: placement.value(training.output),
    inference: placement.value(inference.output),
  };
  const plan: Plan = {
    batchSize,
    panel: 16,
    featureCount: features,
    targetCount: 1,
    coded: false,
    outputCount: output.features,
    ...buffers.place(),
    parameters,
    parameterCount: 0,
    streams,
    programs: { train: program(train, inputs), evaluate: program(evaluate, []), predict: program([], []) },
    prediction: outputs.inference,
  };
  return { plan, cotangent, output: outputs.training, inference: outputs.inference };
}

/** One step over the first rows of the data; `scalars` are what the update reads. */
export function stepOf(
  { plan }: CompiledGraph,
  rows: number,
  { seed = 0, step = 0, scalars = [] }: { seed?: number; step?: number; scalars?: readonly number[] } = {},
): StepBatch {
  const keys = plan.streams.flatMap((name) => keyScalars(seed, name)(step));
  return {
    indices: Int32Array.from({ length: rows }, (_, i) => i),
    rows: Int32Array.of(rows),
    inputs: Float32Array.from([...scalars, rows, ...keys]),
  };
}

/** The same rows for `evaluate`, which reads no scalars. */
export const evaluationOf = (rows: number): StepBatch => ({
  indices: Int32Array.from({ length: rows }, (_, i) => i),
  rows: Int32Array.of(rows),
  inputs: new Float32Array(),
});
